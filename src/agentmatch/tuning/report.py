"""Say what tuning changed, measured on requests that nothing was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ECE_BINS = 10
"""Bins of equal width for the calibration error."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Say how well requests were answered.

    Attributes:
        accuracy: Share of requests that some agent fits whose first agent is right, be
            they refused or not; None without such requests.
        answered: The same, a refused request counting as wrong.
        none_recall: Share of the requests that no agent fits that were refused; None
            without such requests.
        none_precision: Share of the refused requests that no agent fits; None where
            none was refused or none could be.
        auroc: How well the probability that none fits tells the two kinds apart.
        ece: Expected calibration error of the first agent's confidence, over all
            requests (Guo et al., 2017), 0 to 1.
        handled: Share of all requests that were answered rightly or rightly refused.
    """

    accuracy: float | None
    answered: float | None
    none_recall: float | None
    none_precision: float | None
    auroc: float | None
    ece: float
    handled: float


@dataclass(frozen=True, slots=True)
class DoubtfulLabel:
    """Name a request whose label the other requests contradict.

    Attributes:
        id: The request's id.
        text: The request.
        labelled: Its label.
        suggested: The agent that the head gives it when it has not seen it.
        confidence: The probability of that agent.
    """

    id: str
    text: str
    labelled: tuple[str, ...]
    suggested: str
    confidence: float


@dataclass(frozen=True, slots=True)
class TuningReport:
    """Say what a head learned from and what it changed.

    Attributes:
        requests: Labelled requests that it learned from.
        without_agent: Those of them that no agent fits.
        agents: Agents of the catalogue.
        agents_with_examples: Agents that are right for at least one request.
        judged_on: "dev" requests, or "left-out requests": each judged by a head that
            was fitted without it.
        judged: Number of those requests.
        before: Their answers without the head.
        after: Their answers with it; the weights of scores and probabilities were
            fitted on other requests of them (cross-validation).
        max_none: The probability that no agent fits above which a request is refused.
        doubtful: Labels that the other requests contradict, most doubtful first.
        seconds: How long it took, without encoding.
        notes: What the user should know.
    """

    requests: int
    without_agent: int
    agents: int
    agents_with_examples: int
    judged_on: str
    judged: int
    before: Quality
    after: Quality
    max_none: float
    doubtful: tuple[DoubtfulLabel, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def better(self) -> bool:
        """Tell whether the head handles at least as many requests as it did without."""
        return self.after.handled >= self.before.handled

    def to_json(self) -> Mapping[str, Any]:
        """Return the report as JSON values."""
        return {**asdict(self), "better": self.better}


def measure(
    first: NDArray[np.int64],
    confidence: NDArray[np.floating[Any]],
    none: NDArray[np.floating[Any]],
    refused: NDArray[np.bool_],
    gold: NDArray[np.bool_],
) -> Quality:
    """Measure answers.

    Args:
        first: int64 [n], position of each request's first agent.
        confidence: float [n], its confidence.
        none: float [n], the probability that no agent fits.
        refused: bool [n], requests that were answered with "none fits".
        gold: bool [n, agents], the right agents.

    Returns:
        The figures.
    """
    from agentmatch.evaluation.metrics import auroc

    fitting = np.asarray(gold.any(axis=1))
    right = np.asarray(gold[np.arange(len(gold)), first])
    both = 0 < int(fitting.sum()) < len(fitting)
    return Quality(
        accuracy=_mean(right[fitting]),
        answered=_mean((right & ~refused)[fitting]),
        none_recall=_mean(refused[~fitting]),
        none_precision=_mean(~fitting[refused]) if both else None,
        auroc=float(auroc(-none[fitting], -none[~fitting])) if both else None,
        ece=calibration_error(confidence, right),
        handled=float(np.where(fitting, right & ~refused, refused).mean()),
    )


def calibration_error(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], bins: int = ECE_BINS
) -> float:
    """Return the mean distance of confidence and accuracy over bins of confidence.

    Args:
        confidence: float [n], 0 to 1.
        right: bool [n].
        bins: Bins of equal width.

    Returns:
        The expected calibration error, 0 to 1.
    """
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(places, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / max(1, len(confidence)))


def _mean(values: NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if len(values) else None
