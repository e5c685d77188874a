"""Compare two runs over the same requests: what changed, and whether it is luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from agentmatch.errors import InvalidRequestError
from agentmatch.evaluation.metrics import (
    RESAMPLES,
    Interval,
    mean_with_interval,
    randomisation_p_value,
)
from agentmatch.evaluation.runs import Run, RunEntry

Verdict = Literal["better", "worse", "no difference"]

SIGNIFICANCE = 0.05
"""A difference with a larger p-value is no difference. It is not corrected for looking
at many metrics: decide beforehand which one counts."""

_COMPARED = (
    "version",
    "kind",
    "encoder",
    "encoder_fingerprint",
    "catalogue",
    "catalogue_hash",
    "agents",
    "request_set",
    "requests_hash",
    "split",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Compare one metric of two runs.

    Attributes:
        metric: The metric's name.
        n: Requests that have it in both runs.
        a: Its mean in run A over these.
        b: Its mean in run B.
        difference: B minus A with its 95 % interval (paired bootstrap).
        p_value: Of the paired randomisation test, above 0 to 1.
        verdict: Whether B is "better" or "worse" than A, or there is "no difference"
            at the level of `SIGNIFICANCE`.
    """

    metric: str
    n: int
    a: float
    b: float
    difference: Interval
    p_value: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Flip:
    """Hold one request whose first agent is right in one run only.

    Attributes:
        id: The request's identifier.
        text: The request.
        gold: Names of the right agents.
        a: The first agent in run A, or "" where the request failed.
        b: The first agent in run B, or "".
    """

    id: str
    text: str
    gold: tuple[str, ...]
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold what differs between run A and run B.

    Attributes:
        settings: For each setting that differs its value in A and in B.
        n: Requests in both runs, by identifier, text and labels.
        only_a: Identifiers of requests that only A has.
        only_b: Identifiers of requests that only B has.
        changed: Identifiers in both, of another text or with other labels; left out.
        differences: One a metric.
        won: Requests that B routes right and A did not.
        lost: Requests that A routed right and B does not.
    """

    settings: Mapping[str, tuple[Any, Any]]
    n: int
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    changed: tuple[str, ...]
    differences: tuple[Difference, ...]
    won: tuple[Flip, ...]
    lost: tuple[Flip, ...]


def compare(run_a: Run, run_b: Run, *, seed: int = 0, resamples: int = RESAMPLES) -> Comparison:
    """Compare two runs request by request.

    Only requests of both runs count, matched by identifier, text and labels, so that the
    same questions stand behind both numbers.

    Args:
        run_a: The run to compare with, such as the one before a change.
        run_b: The run to judge.
        seed: Chooses the bootstrap samples and the sign patterns.
        resamples: How many of each.

    Returns:
        The comparison; B's improvements are positive.

    Raises:
        InvalidRequestError: The runs have no request in common that some agent fits.
    """
    in_a = {entry.id: entry for entry in run_a.entries}
    in_b = {entry.id: entry for entry in run_b.entries}
    common = [name for name in in_a if name in in_b]
    changed = tuple(name for name in common if _identity(in_a[name]) != _identity(in_b[name]))
    pairs = [
        (in_a[name], in_b[name])
        for name in common
        if _identity(in_a[name]) == _identity(in_b[name])
    ]
    judged = [(first, second) for first, second in pairs if first.gold]
    if not judged:
        raise InvalidRequestError(
            "the runs share no request with the same id, text and labels that some agent fits"
        )
    return Comparison(
        settings=_setting_differences(run_a, run_b),
        n=len(pairs),
        only_a=tuple(name for name in in_a if name not in in_b),
        only_b=tuple(name for name in in_b if name not in in_a),
        changed=changed,
        differences=_differences(judged, seed, resamples),
        won=tuple(_flip(a, b) for a, b in judged if b.correct and not a.correct),
        lost=tuple(_flip(a, b) for a, b in judged if a.correct and not b.correct),
    )


def _identity(entry: RunEntry) -> tuple[str, frozenset[str]]:
    return entry.text, frozenset(entry.gold)


def _setting_differences(run_a: Run, run_b: Run) -> dict[str, tuple[Any, Any]]:
    first = {name: getattr(run_a, name) for name in _COMPARED} | dict(run_a.settings)
    second = {name: getattr(run_b, name) for name in _COMPARED} | dict(run_b.settings)
    return {
        name: (first.get(name), second.get(name))
        for name in first | second
        if first.get(name) != second.get(name)
    }


def _differences(
    pairs: Sequence[tuple[RunEntry, RunEntry]], seed: int, resamples: int
) -> tuple[Difference, ...]:
    rows_a = [entry.metrics for entry, _ in pairs]
    rows_b = [entry.metrics for _, entry in pairs]
    found = []
    # Teams are compared where both runs asked for them.
    in_both = {name for row in rows_b for name in row}
    for metric in dict.fromkeys(name for row in rows_a for name in row if name in in_both):
        a = np.array([row[metric] for row in rows_a if metric in row])
        b = np.array([row[metric] for row in rows_b if metric in row])
        difference = mean_with_interval(b - a, seed, resamples)
        p_value = randomisation_p_value(b - a, seed, resamples)
        found.append(
            Difference(
                metric=metric,
                n=len(a),
                a=float(a.mean()),
                b=float(b.mean()),
                difference=difference,
                p_value=p_value,
                verdict=_verdict(difference.value, p_value),
            )
        )
    return tuple(found)


def _verdict(difference: float, p_value: float) -> Verdict:
    if p_value > SIGNIFICANCE or difference == 0:
        return "no difference"
    return "better" if difference > 0 else "worse"


def _flip(a: RunEntry, b: RunEntry) -> Flip:
    return Flip(a.id, a.text, a.gold, next(iter(a.names), ""), next(iter(b.names), ""))
