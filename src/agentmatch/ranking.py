"""Turn the scores of passages into ranked agents.

A request is compared with every passage. Each agent then gets seven signals, and its
score is their weighted mean:

- `description`, `whole_text`, `name`: the cosine similarity of that one passage;
- `best_passage`: the highest similarity of its evidence passages;
- `top_passages`: the mean of its three highest, so that one lucky line is not enough;
- `lexical_whole_text`, `lexical_description`: BM25 over the agent's words, as a share
  of the best agent's BM25 for this request, 0 to 1.

The best passage alone routes poorly on real catalogues, where a generic bullet of the
wrong agent often wins; the lexical signals add names, products and file types, which a
small encoder blurs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]

WEIGHTS: Mapping[str, float] = {
    "description": 0.10,
    "whole_text": 0.30,
    "best_passage": 0.40,
    "top_passages": 0.30,
    "name": 0.15,
    "lexical_whole_text": 0.16,
    "lexical_description": 0.02,
}
"""The share of each signal in an agent's score (they are divided by their sum).

Set by hand near what coordinate descent finds, and compared on train and dev requests
only, with encoders that saw nothing of a set's kind: fitted weights are no better on the
set that was left out (`python -m benchmarks fusion`).
"""

TOP_PASSAGES = 3
"""How many of an agent's passages `top_passages` averages."""

NAME_MENTION_BONUS = 1.0
"""Added to the score of an agent that the request names outright.

Scores are means of similarities, at most 1 and rarely above 0.7, so a named agent comes
first whatever else the request holds."""

TIE_TOLERANCE = 1e-6
"""Scores that lie no further apart are equal. Vectors differ in the seventh decimal
with the batch they were encoded in; an order must not."""


@dataclass(frozen=True)
class PassageLayout:
    """Say which rows of the passage matrix belong to which agent.

    The rows of one agent stand together, agents in order, and within an agent the name
    row first, the whole-text row second, evidence rows after it (the description, where
    there is one, leads them).

    Attributes:
        offsets: int64 [agents + 1]; agent i owns rows offsets[i] to offsets[i + 1] - 1.
        has_description: bool [agents].
    """

    offsets: NDArray[np.int64]
    has_description: NDArray[np.bool_]

    @property
    def agents(self) -> int:
        """Return the number of agents."""
        return len(self.offsets) - 1


def dense_signals(similarities: Scores, layout: PassageLayout) -> dict[str, Scores]:
    """Pool the similarities of passages into the dense signals of agents.

    An agent without a description, or without any evidence passage, is judged by its
    whole text in that signal's stead.

    Args:
        similarities: float32 [requests, passages], cosine similarities.
        layout: Which passages belong to which agent.

    Returns:
        For each dense signal a float32 array [requests, agents].
    """
    starts = layout.offsets[:-1]
    whole = similarities[:, starts + 1]
    description = whole.copy()
    described = np.flatnonzero(layout.has_description)
    description[:, described] = similarities[:, starts[described] + 2]
    best, top = _pool_evidence(similarities, layout)
    bare = np.flatnonzero(np.diff(layout.offsets) == 2)
    best[:, bare] = whole[:, bare]
    top[:, bare] = whole[:, bare]
    return {
        "description": description,
        "whole_text": whole,
        "best_passage": best,
        "top_passages": top,
        "name": similarities[:, starts],
    }


def _pool_evidence(similarities: Scores, layout: PassageLayout) -> tuple[Scores, Scores]:
    """Return the maximum and the mean of the top passages of each agent.

    Each round takes the maximum of every agent's remaining passages and removes all
    passages that equal it, counted, so that ties are exact.
    """
    starts = layout.offsets[:-1]
    remaining = similarities.copy()
    remaining[:, starts] = -np.inf
    remaining[:, starts + 1] = -np.inf
    lengths = np.diff(layout.offsets)
    wanted = np.minimum(TOP_PASSAGES, np.maximum(lengths - 2, 0))
    left = np.broadcast_to(wanted, (len(similarities), layout.agents)).copy()
    total = np.zeros((len(similarities), layout.agents), dtype=np.float32)
    best: Scores | None = None
    for _ in range(TOP_PASSAGES):
        maximum = np.maximum.reduceat(remaining, starts, axis=1)
        if best is None:
            best = maximum
        taken = remaining == np.repeat(maximum, lengths, axis=1)
        count = np.minimum(np.add.reduceat(taken, starts, axis=1, dtype=np.int64), left)
        total += np.where(count > 0, maximum, np.float32(0)) * count.astype(np.float32)
        left -= count
        remaining[taken] = -np.inf
    assert best is not None
    return best, total / np.maximum(wanted, 1).astype(np.float32)


def lexical_signal(scores: Scores) -> Scores:
    """Express BM25 scores as shares of the best agent's.

    BM25 grows with the length of a request and has no fixed top; as a share it can be
    added to cosine similarities.

    Args:
        scores: float32 [requests, agents], BM25 scores, 0 or more.

    Returns:
        float32 [requests, agents], 0 to 1; all 0 for a request that shares no term.
    """
    best = scores.max(axis=1, keepdims=True, initial=0)
    shares: Scores = np.divide(scores, best, out=np.zeros_like(scores), where=best > 0)
    return shares


def signal_shares(
    signals: Mapping[str, Scores], weights: Mapping[str, float] = WEIGHTS
) -> dict[str, Scores]:
    """Weigh each signal by its share of the score.

    Args:
        signals: For each signal a float32 array [requests, agents].
        weights: The weight of each signal; signals without one are left out.

    Returns:
        For each weighed signal its part of the score, float32 [requests, agents].

    Raises:
        ValueError: No signal has a weight above 0.
    """
    used = {name: weights[name] for name in signals if weights.get(name, 0) > 0}
    if not used:
        raise ValueError("no signal has a weight above 0")
    total = sum(used.values())
    return {name: signals[name] * np.float32(weight / total) for name, weight in used.items()}


def fuse(signals: Mapping[str, Scores], weights: Mapping[str, float] = WEIGHTS) -> Scores:
    """Combine the signals of agents into one score each: their weighted mean.

    Args:
        signals: For each signal a float32 array [requests, agents].
        weights: The weight of each signal; signals without one are left out.

    Returns:
        float32 [requests, agents].

    Raises:
        ValueError: No signal has a weight above 0.
    """
    return np.asarray(sum(signal_shares(signals, weights).values()), dtype=np.float32)


def order(scores: NDArray[np.floating], keys: Sequence[Any], top_k: int) -> list[int]:
    """Order by score, best first, equal scores by key.

    Rounding would not do: two scores that differ by noise alone can lie on both sides
    of a rounding boundary. Here a run of scores, each within `TIE_TOLERANCE` of the
    next, is one tie.

    Args:
        scores: float [n], such as the scores of agents for one request.
        keys: n keys that sort, such as the agents' names.
        top_k: How many to return at most.

    Returns:
        Positions in `scores`.

    Example:
        >>> order(np.array([0.5, 0.9, 0.5]), ["birch", "cedar", "alder"], 2)
        [1, 2]
    """
    ranked = np.argsort(-scores, kind="stable")
    drops = -np.diff(scores[ranked].astype(np.float64)) > TIE_TOLERANCE
    ties = np.concatenate([[0], np.cumsum(drops)])
    # Everything that ties with the last place stays in, for the keys to decide.
    reached = int(np.searchsorted(ties, ties[min(top_k, len(ties)) - 1], side="right"))
    ties_by_position = zip(ties[:reached].tolist(), ranked[:reached].tolist(), strict=True)
    ordered = sorted(ties_by_position, key=lambda pair: (pair[0], keys[pair[1]]))
    return [position for _, position in ordered[:top_k]]
