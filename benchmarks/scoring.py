"""Score what a method answered, with agentmatch's own metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmatch import LabelledRequest
from agentmatch.evaluation.metrics import auroc, mean_metrics, per_request_metrics
from agentmatch.ranking import order

DEPTH = 100
"""Agents of a ranking that are looked at; every metric is cut at 10 or above."""

METRICS = ("accuracy@1", "recall@3", "recall@5", "mrr@10", "ndcg@10")

BELOW, OUT_OF_SCOPE = ".", "-"
"""Marks in a list of ranks: the right agent is not among the first `DEPTH`; there is none."""


@dataclass(frozen=True)
class Answers:
    """Hold what one method answered.

    Attributes:
        rankings: For each request the names of the first `DEPTH` agents, best first.
        best: float [requests], the score of the first one.
    """

    rankings: Sequence[Sequence[str]]
    best: NDArray[np.floating]


def rank(scores: NDArray[np.floating], names: Sequence[str]) -> Answers:
    """Order agents by score, equal scores by name, as agentmatch does.

    Args:
        scores: float [requests, agents].
        names: The agents' names.

    Returns:
        The answers.
    """
    return Answers(
        [[names[position] for position in order(row, names, DEPTH)] for row in scores],
        scores.max(axis=1),
    )


def first_right(ranking: Sequence[str], gold: Sequence[str]) -> int | None:
    """Return the rank of the first right agent, or None where the ranking holds none."""
    return next((rank for rank, name in enumerate(ranking, start=1) if name in gold), None)


def measure(answers: Answers, requests: Sequence[LabelledRequest]) -> dict[str, Any]:
    """Compute metrics and ranks of one method.

    Args:
        answers: What it answered.
        requests: The labelled requests.

    Returns:
        "metrics" (each with value, low, high: a 95 % bootstrap interval; over requests
        that some agent fits), "auroc" (of the best score, requests that some agent
        fits against those that none fits; None where a set has only one kind) and
        "ranks" (of the first right agent of each request, in one string).
    """
    rows = [
        per_request_metrics(ranking, request.agents)
        for ranking, request in zip(answers.rankings, requests, strict=True)
        if request.agents
    ]
    means = mean_metrics([{name: row[name] for name in METRICS} for row in rows])
    fits = np.array([bool(request.agents) for request in requests])
    best = answers.best
    ranks = [
        str(first_right(ranking, request.agents) or BELOW) if request.agents else OUT_OF_SCOPE
        for ranking, request in zip(answers.rankings, requests, strict=True)
    ]
    return {
        "metrics": {
            name: {key: round(value, 5) for key, value in asdict(interval).items()}
            for name, interval in means.items()
        },
        "auroc": round(auroc(best[fits], best[~fits]), 5) if 0 < fits.sum() < len(fits) else None,
        "ranks": " ".join(ranks),
    }
