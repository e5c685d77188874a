"""Lay out one routing task as arrays, so that every method sees the same texts and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentmatch import AgentMatcher, LabelledRequest

Scores = NDArray[np.float32]
"""[requests, agents], higher is better."""


@dataclass(frozen=True)
class Task:
    """Hold what a method may look at: agents, requests, and labelled examples if any.

    Attributes:
        names: The agents' names, sorted.
        whole_texts: The whole text of each agent.
        passages: The texts that say what the agents are for (name and whole text left
            out), agent after agent; an agent that has none stands with its whole text.
        owners: int64 [passages], the agent of each passage.
        requests: The requests' texts.
        whole_vectors: float32 [agents, dimension].
        passage_vectors: float32 [passages, dimension].
        request_vectors: float32 [requests, dimension].
        train_vectors: float32 [examples, dimension], labelled requests; may be empty.
        train_owners: int64 [examples], the agent of each.
    """

    names: tuple[str, ...]
    whole_texts: tuple[str, ...]
    passages: tuple[str, ...]
    owners: NDArray[np.int64]
    requests: tuple[str, ...]
    whole_vectors: NDArray[np.float32]
    passage_vectors: NDArray[np.float32]
    request_vectors: NDArray[np.float32]
    train_vectors: NDArray[np.float32]
    train_owners: NDArray[np.int64]


def build_task(
    matcher: AgentMatcher,
    requests: Sequence[LabelledRequest],
    train: Sequence[LabelledRequest] = (),
) -> Task:
    """Take a task's texts and vectors from a matcher's index.

    Args:
        matcher: A matcher over the task's agents.
        requests: The requests to route.
        train: Labelled requests that methods may learn from.

    Returns:
        The task.
    """
    index = matcher.index
    texts = [passage.text for passage in index.passages]
    names = tuple(agent.name for agent in matcher.agents)
    rows: list[int] = []
    owners: list[int] = []
    whole: list[int] = []
    for position in range(len(names)):
        _, whole_row, *evidence = index.rows(position)
        whole.append(whole_row)
        rows += evidence or [whole_row]
        owners += [position] * max(1, len(evidence))
    positions = {name: position for position, name in enumerate(names)}
    pairs = [(request.text, positions[name]) for request in train for name in request.agents]
    vectors = index.dense.vectors
    encode = matcher.encoder.encode_queries
    return Task(
        names=names,
        whole_texts=tuple(texts[row] for row in whole),
        passages=tuple(texts[row] for row in rows),
        owners=np.array(owners, dtype=np.int64),
        requests=tuple(request.text for request in requests),
        whole_vectors=vectors[whole],
        passage_vectors=vectors[rows],
        request_vectors=encode([request.text for request in requests]),
        train_vectors=encode([text for text, _ in pairs]),
        train_owners=np.array([owner for _, owner in pairs], dtype=np.int64),
    )
