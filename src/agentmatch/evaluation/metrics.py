"""Score rankings and sets of agents against the labels of requests.

Names are those of the field (ir_measures, trec_eval), in lower case with "@k" for a cut
at rank k: "recall@5", "ndcg@10". Every value lies between 0 and 1, higher is better;
`LOWER_IS_BETTER` names the exceptions.

A request that no agent fits has no right ranking. It is left out of the ranking metrics
and counted by itself. A request that failed, or has an empty ranking, counts 0, so that
dropping hard requests cannot flatter a mean.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CUTS = (1, 3, 5, 10)
"""The ranks at which recall, precision and success are taken."""

DEEPEST = 10
"""The rank at which MRR and nDCG are cut."""

METRICS = (
    "accuracy@1",
    *(f"{name}@{k}" for name in ("recall", "precision", "success") for k in CUTS),
    f"mrr@{DEEPEST}",
    f"ndcg@{DEEPEST}",
    "rprec",
    "exact_set",
    "answered_accuracy",
    "none_recall",
    "none_precision",
    "auroc",
)
"""The names of all metrics of a run that can have a minimum: higher is better."""

LOWER_IS_BETTER = ("fpr@95tpr", "aurc", "ece", "brier")
"""The names of all other metrics of a run: errors, 0 to 1."""

TEAM_METRICS = ("team_precision", "team_recall", "team_f1", "team_exact")
"""What a run has besides where teams were asked for (see `team_metrics`)."""

HEADLINES = {
    "accuracy@1": "the first agent is right",
    "recall@3": "share of the right agents among the first three",
    "recall@5": "share of the right agents among the first five",
    "recall@10": "share of the right agents among the first ten",
    "success@5": "a right agent is among the first five",
    "mrr@10": "1 over the rank of the first right agent",
    "ndcg@10": "gain of the ranking over that of the best one",
    "rprec": "requests for n agents: share of right ones among the first n",
    "exact_set": "requests for n agents: the first n are all right",
    "answered_accuracy": "answered, and the first agent is right; a refusal is wrong",
    "none_recall": "share refused of the requests that no agent fits",
    "none_precision": "share that no agent fits of the refused requests",
    "auroc": "confidence tells requests that some agent fits from others",
    "fpr@95tpr": "others kept where 95 % of the fitting ones are kept; lower is better",
    "aurc": "mean error as only the surer requests are answered; lower is better",
    "ece": "confidence of the first agent against its accuracy; lower is better",
    "brier": "squared error of that confidence; lower is better",
    "team_precision": "share of right agents in the proposed team",
    "team_recall": "share of the right agents that the team has",
    "team_f1": "harmonic mean of the two, for each request",
    "team_exact": "the team is exactly the set of right agents",
}
"""The metrics that people are shown, with what they say; run files hold all of them."""

RESAMPLES = 2000
"""Bootstrap samples behind an interval; its ends then vary by well under a point."""

CONFIDENCE = 0.95
"""The share of intervals that hold the true mean, in the long run."""

_BLOCK = 4_000_000
"""Random numbers drawn at a time, which bounds the memory of a bootstrap."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold an estimate with its confidence interval.

    Attributes:
        value: The estimate.
        low: The lower end of the 95 % interval.
        high: The upper end.
    """

    value: float
    low: float
    high: float


def per_request_metrics(ranking: Sequence[str], gold: Collection[str]) -> dict[str, float]:
    """Compute every ranking metric of one request.

    With gains of 1 for every right agent:

    - `accuracy@1`: the first agent is right;
    - `success@k`: at least one of the first k is right;
    - `recall@k`: the share of right agents among the first k of the ranking;
    - `precision@k`: the right ones among the first k, over k, however short the ranking;
    - `mrr@10`: 1 over the rank of the first right agent, 0 below rank 10;
    - `ndcg@10`: discounted cumulative gain over that of the best possible ranking
      (Järvelin and Kekäläinen, 2002, with a discount of log2(rank + 1)).

    With two or more right agents also, for the first n where n is their number:

    - `rprec`: R-precision, the share of right ones; it is at the same time the
      precision, the recall and the F1 of that set (see `set_metrics`);
    - `exact_set`: all n are right.

    Args:
        ranking: Names of agents, best first, no name twice. It should go 10 deep at
            least, or to the end of the catalogue.
        gold: Names of the right agents, at least one.

    Returns:
        Each metric by its name, 0 to 1.

    Raises:
        ValueError: `gold` is empty, or the ranking holds a name twice.

    Example:
        >>> per_request_metrics(["b", "a", "c"], {"a"})["mrr@10"]
        0.5
    """
    right = frozenset(gold)
    if not right:
        raise ValueError("a request that no agent fits has no ranking metrics; count it apart")
    if len(set(ranking)) != len(ranking):
        raise ValueError("the ranking holds an agent twice")
    hits = [name in right for name in ranking]
    metrics = {"accuracy@1": float(any(hits[:1]))}
    for k in CUTS:
        found = sum(hits[:k])
        metrics[f"recall@{k}"] = found / len(right)
        metrics[f"precision@{k}"] = found / k
        metrics[f"success@{k}"] = float(found > 0)
    first = next((rank for rank, hit in enumerate(hits[:DEEPEST], start=1) if hit), None)
    metrics[f"mrr@{DEEPEST}"] = 0.0 if first is None else 1 / first
    gain = sum(_discount(rank) for rank, hit in enumerate(hits[:DEEPEST], start=1) if hit)
    ideal = sum(_discount(rank) for rank in range(1, min(len(right), DEEPEST) + 1))
    metrics[f"ndcg@{DEEPEST}"] = gain / ideal
    if len(right) > 1:
        accepted = set_metrics(ranking[: len(right)], right)
        metrics["rprec"] = accepted["set_recall"]
        metrics["exact_set"] = accepted["exact_set"]
    return metrics


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)


def set_metrics(accepted: Collection[str], gold: Collection[str]) -> dict[str, float]:
    """Score a set of agents that were accepted for one request, in any order.

    Args:
        accepted: Names of the accepted agents; may be empty.
        gold: Names of the right agents, at least one.

    Returns:
        `set_precision` (0 where nothing is accepted), `set_recall`, `set_f1` and
        `exact_set` (1 where both sets are the same), each 0 to 1.

    Raises:
        ValueError: `gold` is empty.
    """
    chosen, right = frozenset(accepted), frozenset(gold)
    if not right:
        raise ValueError("a request that no agent fits has no set metrics; count it apart")
    found = len(chosen & right)
    return {
        "set_precision": found / len(chosen) if chosen else 0.0,
        "set_recall": found / len(right),
        "set_f1": 2 * found / (len(chosen) + len(right)),
        "exact_set": float(chosen == right),
    }


def team_metrics(team: Collection[str], gold: Collection[str]) -> dict[str, float]:
    """Score a proposed team as `set_metrics` does, under the names that runs use.

    Args:
        team: Names of the proposed agents; may be empty.
        gold: Names of the right agents, at least one.

    Returns:
        `team_precision`, `team_recall`, `team_f1` and `team_exact`, each 0 to 1.

    Raises:
        ValueError: `gold` is empty.
    """
    found = set_metrics(team, gold)
    return {
        "team_precision": found["set_precision"],
        "team_recall": found["set_recall"],
        "team_f1": found["set_f1"],
        "team_exact": found["exact_set"],
    }


def mean_metrics(
    rows: Sequence[Mapping[str, float]], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Average the metrics of many requests, each over the requests that have it.

    Args:
        rows: For each request what `per_request_metrics` returned.
        seed: Chooses the bootstrap samples.
        resamples: How many bootstrap samples.

    Returns:
        Each metric's mean with its interval; empty where there is no request.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {
        name: mean_with_interval([row[name] for row in rows if name in row], seed, resamples)
        for name in names
    }


def mean_with_interval(values: ArrayLike, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Average values, with a 95 % percentile bootstrap interval over requests.

    Method: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    The interval says how far the mean would move with other requests of the same kind.

    Args:
        values: float [n], one value a request.
        seed: Chooses the samples; the same seed gives the same interval.
        resamples: How many samples.

    Returns:
        The mean and its interval.

    Raises:
        ValueError: There is no value.
    """
    numbers = _vector(values)
    means = bootstrap_means(numbers, seed, resamples)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(numbers.mean()), float(low), float(high))


def bootstrap_means(values: ArrayLike, seed: int, resamples: int) -> NDArray[np.float64]:
    """Average `resamples` samples of the values, drawn with replacement.

    Args:
        values: float [n].
        seed: Chooses the samples.
        resamples: How many.

    Returns:
        float64 [resamples].

    Raises:
        ValueError: There is no value.
    """
    numbers = _vector(values)
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // len(numbers))
    return np.concatenate(
        [
            numbers[generator.integers(len(numbers), size=(size, len(numbers)))].mean(axis=1)
            for size in _block_sizes(resamples, block)
        ]
    )


def randomisation_p_value(differences: ArrayLike, seed: int, resamples: int) -> float:
    """Test whether paired differences could have a mean of 0.

    Two-sided paired randomisation test: under the null hypothesis both runs are alike,
    so each difference may as well have the other sign. Method: Smucker, Allan and
    Carterette, "A comparison of statistical significance tests for information retrieval
    evaluation", CIKM 2007.

    Args:
        differences: float [n], one request's value in run B minus that in run A.
        seed: Chooses the signs.
        resamples: How many sign patterns are tried.

    Returns:
        The share of patterns, the observed one included, whose mean is at least as far
        from 0; above 0, at most 1.

    Raises:
        ValueError: There is no difference.
    """
    numbers = _vector(differences)
    observed = abs(numbers.sum())
    changed = numbers[numbers != 0]
    if not len(changed):
        return 1.0
    generator = np.random.default_rng(seed)
    # Sums of the same numbers in another order differ in the last bits.
    threshold = observed - 1e-9 * max(1.0, observed)
    extreme = 0
    for size in _block_sizes(resamples, max(1, _BLOCK // len(changed))):
        signs = generator.integers(2, size=(size, len(changed)), dtype=np.int8) * 2.0 - 1.0
        extreme += int((np.abs(signs @ changed) >= threshold).sum())
    return (extreme + 1) / (resamples + 1)


def auroc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Measure how well scores tell two kinds of requests apart.

    The area under the receiver operating characteristic, as the rank statistic that it
    equals (Hanley and McNeil, 1982): the chance that a request of the first kind scores
    higher than one of the second, where a tie counts one half.

    Args:
        positive: float [n], scores of requests that some agent fits.
        negative: float [m], scores of requests that no agent fits.

    Returns:
        0 to 1; 0.5 where the scores tell nothing.

    Raises:
        ValueError: One kind has no request, or a score is not finite.
    """
    first, second = _vector(positive), _vector(negative)
    ordered = np.sort(second)
    below = np.searchsorted(ordered, first, side="left")
    not_above = np.searchsorted(ordered, first, side="right")
    return float((below + not_above).sum() / (2 * len(first) * len(second)))


def percentiles(values: ArrayLike, shares: Sequence[float]) -> tuple[float, ...]:
    """Return percentiles of values, interpolated linearly.

    Args:
        values: float [n].
        shares: Which, 0 to 100.

    Returns:
        One value for each share.

    Raises:
        ValueError: There is no value.
    """
    return tuple(float(value) for value in np.percentile(_vector(values), list(shares)))


def _block_sizes(total: int, block: int) -> list[int]:
    if total < 1:
        raise ValueError(f"resamples must be 1 or more, not {total}")
    return [min(block, total - start) for start in range(0, total, block)]


def _vector(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers):
        raise ValueError(f"expected a list of one or more numbers, not shape {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError("a value is not a finite number")
    return numbers
