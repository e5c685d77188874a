"""Judge probabilities, and answers that may be "no agent fits".

Confidences are judged by how well they tell right from wrong answers (AUROC, the
risk-coverage curve) and by whether they are true as probabilities (reliability,
expected calibration error, Brier score); refusals by recall and precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agentmatch.evaluation.metrics import CONFIDENCE, Interval, auroc

BINS = 15
"""Bins of the expected calibration error and the reliability diagram."""

TRUE_POSITIVE_RATE = 0.95
"""The share of requests with a fitting agent that must be kept, in `fpr@95tpr`."""

CURVE_RESAMPLES = 500
"""Bootstrap samples behind an interval of these metrics, which sort all requests."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Hold one bin of a reliability diagram.

    Attributes:
        n: Answers in it.
        confidence: Their mean confidence.
        accuracy: The share of them that is right.
    """

    n: int
    confidence: float
    accuracy: float


def reliability(confidences: ArrayLike, right: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Compare confidences with how often they come true.

    Bins of equal mass (Nixon et al., 2019, "Measuring Calibration in Deep Learning"):
    answers are ordered by confidence and cut into bins of as equal a number as can be.

    Args:
        confidences: float [n], 0 to 1.
        right: bool [n].
        bins: How many bins at most; none is empty.

    Returns:
        The bins, least confident first.

    Raises:
        ValueError: There is no answer, the lengths differ, or a confidence is not
            between 0 and 1.
    """
    values, hits = _checked(confidences, right)
    order = np.argsort(values, kind="stable")
    return [
        Bin(len(part), float(values[part].mean()), float(hits[part].mean()))
        for part in np.array_split(order, min(bins, len(order)))
    ]


def expected_calibration_error(confidences: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Measure how far confidences are from the share of answers that is right.

    The mean over bins of the absolute difference of mean confidence and accuracy, each
    bin by its share of answers (Naeini et al., 2015, "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning"), with bins of equal mass.

    Args:
        confidences: float [n], 0 to 1.
        right: bool [n].
        bins: How many bins.

    Returns:
        0 to 1; 0 is perfect.

    Raises:
        ValueError: As in `reliability`.
    """
    parts = reliability(confidences, right, bins)
    total = sum(part.n for part in parts)
    return sum(part.n / total * abs(part.confidence - part.accuracy) for part in parts)


def brier_score(confidences: ArrayLike, right: ArrayLike) -> float:
    """Return the mean squared difference of confidence and truth (Brier, 1950).

    Args:
        confidences: float [n], 0 to 1.
        right: bool [n].

    Returns:
        0 to 1; 0 is perfect.

    Raises:
        ValueError: As in `reliability`.
    """
    values, hits = _checked(confidences, right)
    return float(((values - hits) ** 2).mean())


def risk_coverage(
    confidences: ArrayLike, right: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Trace how the error falls as only surer answers are given.

    The risk-coverage curve of selective prediction (Geifman and El-Yaniv, 2017,
    "Selective Classification for Deep Neural Networks"). Answers of equal confidence
    are in or out together.

    Args:
        confidences: float [n], 0 to 1.
        right: bool [n].

    Returns:
        Coverages, the shares of requests that are answered, in ascending order, and
        risks, the shares of these answers that are wrong; one point for each different
        confidence.

    Raises:
        ValueError: As in `reliability`.
    """
    values, hits = _checked(confidences, right)
    order = np.argsort(-values, kind="stable")
    answered = np.arange(1, len(values) + 1)
    risks = np.cumsum(1 - hits[order]) / answered
    last = np.append(np.diff(values[order]) != 0, True)
    return answered[last] / len(values), risks[last]


def area_under_risk_coverage(confidences: ArrayLike, right: ArrayLike) -> float:
    """Average the risk over all coverages (AURC, Geifman et al., 2019).

    Args:
        confidences: float [n], 0 to 1.
        right: bool [n].

    Returns:
        0 to 1; lower is better. Answers of equal confidence count with the risk of
        them all.

    Raises:
        ValueError: As in `reliability`.
    """
    coverages, risks = risk_coverage(confidences, right)
    return float((np.diff(coverages, prepend=0) * risks).sum())


def false_positive_rate(
    positive: ArrayLike, negative: ArrayLike, true_positive_rate: float = TRUE_POSITIVE_RATE
) -> float:
    """Say how many negatives pass where most positives do (FPR at 95 % TPR).

    Method: Liang et al., 2018, "Enhancing the Reliability of Out-of-distribution Image
    Detection".

    Args:
        positive: float [n], scores of requests that some agent fits.
        negative: float [m], scores of requests that no agent fits.
        true_positive_rate: The share of positives that must score at the bar or above.

    Returns:
        The share of negatives at the highest such bar or above, 0 to 1; lower is better.

    Raises:
        ValueError: One kind has no request.
    """
    kept, passing = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    if not kept.size or not passing.size:
        raise ValueError("both kinds need a request")
    ordered = np.sort(kept)[::-1]
    # Rounded, so that 0.95 of 20 is 19 and not 20.
    needed = max(1, int(np.ceil(round(true_positive_rate * len(ordered), 9))))
    return float((passing >= ordered[needed - 1]).mean())


def refusal_metrics(fits: ArrayLike, right: ArrayLike, refused: ArrayLike) -> dict[str, float]:
    """Score answers that may be "no agent fits".

    As in Larson et al., 2019, "An Evaluation Dataset for Intent Classification and
    Out-of-Scope Prediction".

    Args:
        fits: bool [n], whether some agent fits.
        right: bool [n], whether the first agent is a right one.
        refused: bool [n], whether the answer was "no agent fits".

    Returns:
        Each where it is defined: `answered_accuracy` (requests that some agent fits:
        answered, and right), `none_recall` (requests that no agent fits: refused) and
        `none_precision` (refused requests: no agent fits).
    """
    fit, hit, out = (np.asarray(values, dtype=bool) for values in (fits, right, refused))
    found = {}
    if fit.any():
        found["answered_accuracy"] = float((hit & ~out)[fit].mean())
    if not fit.all():
        found["none_recall"] = float(out[~fit].mean())
        if out.any():
            found["none_precision"] = float((~fit)[out].mean())
    return found


def abstention_metrics(
    *,
    fits: ArrayLike,
    right: ArrayLike,
    confidences: ArrayLike,
    none: ArrayLike,
    refused: ArrayLike,
    seed: int = 0,
    resamples: int = CURVE_RESAMPLES,
) -> dict[str, Interval]:
    """Compute every metric of confidence and refusal that is defined.

    Args:
        fits: bool [n], whether some agent fits the request.
        right: bool [n], whether the first agent is a right one.
        confidences: float [n], the confidence of the first agent.
        none: float [n], the probability that no agent fits.
        refused: bool [n], whether the answer was "no agent fits".
        seed: Chooses the bootstrap samples.
        resamples: How many.

    Returns:
        `ece`, `brier` and `aurc` of `confidences`; `answered_accuracy`; where there are
        requests that no agent fits `none_recall`, and where something is refused
        `none_precision`; where there are both kinds `auroc` and `fpr@95tpr` of `none`.
        Each with its 95 % percentile bootstrap interval over requests.

    Raises:
        ValueError: As in `reliability`.
    """
    fit, hit, out = (np.asarray(values, dtype=bool) for values in (fits, right, refused))
    confidence, nothing = np.asarray(confidences, np.float64), np.asarray(none, np.float64)

    def measure(rows: NDArray[np.int64]) -> dict[str, float]:
        found = refusal_metrics(fit[rows], hit[rows], out[rows])
        found["ece"] = expected_calibration_error(confidence[rows], hit[rows])
        found["brier"] = brier_score(confidence[rows], hit[rows])
        found["aurc"] = area_under_risk_coverage(confidence[rows], hit[rows])
        some, other = rows[fit[rows]], rows[~fit[rows]]
        if len(some) and len(other):
            found["auroc"] = auroc(1 - nothing[some], 1 - nothing[other])
            found["fpr@95tpr"] = false_positive_rate(1 - nothing[some], 1 - nothing[other])
        return found

    values = measure(np.arange(len(fit)))
    generator = np.random.default_rng(seed)
    samples = [measure(generator.integers(len(fit), size=len(fit))) for _ in range(resamples)]
    tail = (1 - CONFIDENCE) / 2
    found = {}
    for name, value in values.items():
        drawn = [sample[name] for sample in samples if name in sample] or [value]
        low, high = np.quantile(drawn, [tail, 1 - tail])
        found[name] = Interval(value, float(low), float(high))
    return found


def _checked(
    confidences: ArrayLike, right: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = np.asarray(confidences, dtype=np.float64)
    hits = np.asarray(right, dtype=np.float64)
    if values.ndim != 1 or not len(values) or values.shape != hits.shape:
        raise ValueError(
            f"expected two lists of one length, not shapes {values.shape} and {hits.shape}"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("a confidence is not between 0 and 1")
    return values, hits
