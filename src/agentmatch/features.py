"""Describe answers by features that mean the same in every catalogue. Pure.

Calibration turns them into probabilities (see `agentmatch.calibration`). They come from
what the ranking computes anyway, and every one of them speaks *for* an agent: the more,
the likelier.

Features of a request, over all agents:

- `whole_text`, `top_passages`: the highest of these two signals (see
  `agentmatch.ranking`);
- `words`: the highest BM25 score over the agents' whole texts, divided by the square
  root of the number of the request's words, because it grows with them, and by the
  logarithm of the number of agents, because a word's weight grows with that;
- `other_script`: the share of the request's letters that are not Latin. The default
  encoder reads English: a low similarity says little about Russian or Korean;
- `named`: 1 where the request names an agent outright, else 0.

Features of an agent within the answer:

- `lead`: how far its score is above all others', 0 for all but the first;
- `log_share`: the logarithm of its share in a softmax over all scores.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentmatch.ranking import NAME_MENTION_BONUS, Scores

Values = NDArray[np.float64]

REQUEST_FEATURES = ("whole_text", "top_passages", "words", "other_script", "named")
"""The names of the features of a request."""

AGENT_FEATURES = ("lead", "log_share")
"""The names of the features of an agent."""

TEMPERATURE = 0.05
"""Divides scores in the softmax over agents: a lead of 0.05 is a factor of e."""

LEAD_CAP = 0.3
"""A larger lead says no more."""


@dataclass(frozen=True)
class Features:
    """Hold the features of n requests and m agents.

    Attributes:
        request: For each feature of a request float64 [n].
        agents: For each feature of an agent float64 [n, m].
    """

    request: Mapping[str, Values]
    agents: Mapping[str, Values]


def features_of(
    texts: Sequence[str],
    scores: Scores,
    signals: Mapping[str, Scores],
    bm25: Scores,
    terms: Sequence[int],
) -> Features:
    """Compute the features of answers.

    Args:
        texts: The requests.
        scores: float32 [requests, agents], the scores that rank the agents.
        signals: For each signal float32 [requests, agents].
        bm25: float32 [requests, agents], BM25 scores over the agents' whole texts.
        terms: For each request the number of its different terms.

    Returns:
        The features.
    """
    exact = scores.astype(np.float64)
    length = np.sqrt(np.maximum(np.asarray(terms, dtype=np.float64), 1))
    return Features(
        request={
            "whole_text": signals["whole_text"].max(axis=1).astype(np.float64),
            "top_passages": signals["top_passages"].max(axis=1).astype(np.float64),
            "words": bm25.max(axis=1) / (length * np.log1p(scores.shape[1])),
            "other_script": np.array([other_script(text) for text in texts], dtype=np.float64),
            # Without the bonus for names a score is a mean of values of at most 1.
            "named": (exact.max(axis=1) > NAME_MENTION_BONUS).astype(np.float64),
        },
        agents={
            "lead": _leads(exact),
            "log_share": _log_shares(exact),
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


def other_script(text: str) -> float:
    """Return the share of a text's letters that are not Latin, 0 to 1; 0 without letters.

    Example:
        >>> other_script("naïve Прог")
        0.4444444444444444
    """
    if text.isascii():
        return 0.0
    letters = [character for character in text if character.isalpha()]
    other = sum(
        not character.isascii() and not unicodedata.name(character, "").startswith("LATIN")
        for character in letters
    )
    return other / len(letters) if letters else 0.0


def _leads(scores: Values) -> Values:
    """Return how far the first score is above all others, at the first; 0 elsewhere."""
    if scores.shape[1] < 2:
        return np.zeros_like(scores)
    second = np.partition(scores, -2, axis=1)[:, -2:-1]
    return np.asarray(np.clip(scores - second, 0, LEAD_CAP), dtype=np.float64)


def _log_shares(scores: Values) -> Values:
    """Return the logarithm of each agent's share in a softmax over the scores."""
    logits = (scores - scores.max(axis=1, keepdims=True)) / TEMPERATURE
    totals = np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return np.asarray(logits - totals, dtype=np.float64)
