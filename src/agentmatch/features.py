"""Describe an answer by features that mean the same in every catalogue. Pure.

Calibration turns them into probabilities. They are computed from the signals that the
ranking uses already, and cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentmatch.ranking import Scores

Values = NDArray[np.float64]

TEMPERATURE = 0.05
"""Divides scores in the softmax over agents: a lead of 0.05 is a factor of e."""

LEAD_CAP = 0.3
"""A larger lead over the next agent says no more."""


@dataclass(frozen=True)
class Features:
    """Hold the features of n requests and m agents.

    Attributes:
        request: For each feature of a request float64 [n].
        agents: For each feature of an agent float64 [n, m].
    """

    request: Mapping[str, Values]
    agents: Mapping[str, Values]


def features_of(scores: Scores, signals: Mapping[str, Scores], coverage: Scores) -> Features:
    """Compute the features of answers.

    Args:
        scores: float32 [requests, agents], the scores that rank the agents.
        signals: For each signal float32 [requests, agents].
        coverage: float32 [requests, agents], the share of the request's words that
            each agent's text holds, rare words weighing more.

    Returns:
        The features.
    """
    leads = _leads(scores.astype(np.float64))
    similarity = np.maximum(signals["best_passage"], signals["whole_text"]).max(axis=1)
    return Features(
        request={
            "similarity": similarity.astype(np.float64),
            "coverage": coverage.max(axis=1).astype(np.float64),
        },
        agents={
            "lead": np.clip(leads, 0, LEAD_CAP),
            "lag": np.clip(leads, -LEAD_CAP, 0),
            "log_share": _log_shares(scores.astype(np.float64)),
        },
    )


def concatenate(parts: Sequence[Features]) -> Features:
    """Put the features of several lists of requests, for the same agents, in one."""
    return Features(
        *(
            {
                name: np.concatenate([getattr(part, kind)[name] for part in parts])
                for name in getattr(parts[0], kind)
            }
            for kind in ("request", "agents")
        )
    )


def _leads(scores: Values) -> Values:
    """Return each score less the best of all others; 0 where there is no other."""
    if scores.shape[1] < 2:
        return np.zeros_like(scores)
    second, first = np.partition(scores, -2, axis=1)[:, -2:].T
    others = np.where(scores == first[:, np.newaxis], second[:, np.newaxis], first[:, np.newaxis])
    return np.asarray(scores - others, dtype=np.float64)


def _log_shares(scores: Values) -> Values:
    """Return the logarithm of each agent's share in a softmax over the scores."""
    logits = (scores - scores.max(axis=1, keepdims=True)) / TEMPERATURE
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), dtype=np.float64)
