"""Rank large catalogues in two stages: find agents that may fit, then compare exactly.

Beyond `index.EXACT_LIMIT` passages a request is not compared with all of them. Only
candidates are: the agents of the nearest passages that an approximate search finds, the
best agents by words, and those that the request names. All passages of a candidate are
compared, so its score is exactly what it would be among all agents.

What is approximate: an agent that is no candidate is ranked as if none of its passages
were like the request at all. Its lexical signals stay exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agentmatch.index import AgentIndex
from agentmatch.ranking import PassageLayout, Scores, dense_signals

NEAREST_PASSAGES = 1000
"""Passages whose agents become candidates."""

LEXICAL_AGENTS = 100
"""Agents that become candidates by their words."""

UNLIKE = -1.0
"""The similarity given to what was not compared: the lowest that there is."""


def candidate_signals(
    index: AgentIndex,
    vectors: NDArray[np.float32],
    lexical: Scores,
    always: Sequence[Sequence[int]],
) -> tuple[Scores, dict[str, Scores]]:
    """Compute the dense signals of the agents that may fit.

    Args:
        index: An index with an approximate search.
        vectors: float32 [requests, dimension], the requests.
        lexical: float32 [requests, agents], lexical scores of all agents.
        always: For each request agents that are candidates in any case.

    Returns:
        Similarities, float32 [requests, passages], and for each dense signal a float32
        array [requests, agents]; `UNLIKE` where a request was not compared.
    """
    similarities = np.full((len(vectors), len(index.dense)), UNLIKE, dtype=np.float32)
    signals: dict[str, Scores] = {}
    for row, vector in enumerate(vectors):
        chosen = find_candidates(index, vector, lexical[row], always[row])
        rows, layout = _passages_of(index.layout, chosen)
        near = index.dense.similarities(vector[np.newaxis], rows)
        similarities[row, rows] = near[0]
        for name, values in dense_signals(near, layout).items():
            if name not in signals:
                signals[name] = np.full(lexical.shape, UNLIKE, dtype=np.float32)
            signals[name][row, chosen] = values[0]
    return similarities, signals


def find_candidates(
    index: AgentIndex, vector: NDArray[np.float32], lexical: Scores, always: Sequence[int]
) -> NDArray[np.int64]:
    """Find the agents that may fit a request.

    Args:
        index: An index with an approximate search.
        vector: float32 [dimension], the request.
        lexical: float32 [agents], lexical scores.
        always: Agents that are candidates in any case.

    Returns:
        int64 positions of agents, ascending.
    """
    if index.approximate is None:
        raise ValueError("this index compares requests with all passages")
    nearest = index.approximate.search(vector, NEAREST_PASSAGES)
    owners = np.searchsorted(index.layout.offsets, nearest, side="right") - 1
    count = min(LEXICAL_AGENTS, len(lexical))
    by_words = np.argpartition(lexical, len(lexical) - count)[len(lexical) - count :]
    return np.unique(np.concatenate([owners, by_words, np.asarray(always, dtype=np.int64)]))


def _passages_of(
    layout: PassageLayout, agents: NDArray[np.int64]
) -> tuple[NDArray[np.int64], PassageLayout]:
    """Return the rows of some agents' passages, and how they stand when only they are kept."""
    starts = layout.offsets[agents]
    lengths = layout.offsets[agents + 1] - starts
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return rows, PassageLayout(offsets, layout.has_description[agents])
