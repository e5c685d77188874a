"""Make pairs to train on of labelled requests and of the lines of agents."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from agentmatch.evaluation.request_sets import LabelledRequest
from agentmatch.passages import is_negative
from agentmatch.training.views import TrainingPair
from agentmatch.types import Agent

PAIRS_PER_AGENT = 40
"""Requests of one agent that are used at most, and as many lines."""

LINE_WORDS = 4
"""A line of an agent with fewer words says too little to stand for a request."""


def request_pairs(
    agents: Sequence[Agent], requests: Iterable[LabelledRequest]
) -> list[TrainingPair]:
    """Pair each request with its agents.

    Args:
        agents: The catalogue; every label is one of its names.
        requests: Labelled requests. Those that no agent fits make no pair.

    Returns:
        The pairs, in order.
    """
    positions = {agent.name: position for position, agent in enumerate(agents)}
    return [
        TrainingPair(request.text, tuple(positions[name] for name in request.agents))
        for request in requests
        if request.agents
    ]


def line_pairs(agents: Sequence[Agent]) -> list[TrainingPair]:
    """Pair each agent with those lines of its file that read like requests.

    Args:
        agents: The catalogue.

    Returns:
        The pairs, in order.
    """
    return [
        TrainingPair(line.strip(), (position,), is_line=True)
        for position, agent in enumerate(agents)
        for line in dict.fromkeys((*agent.example_tasks, *agent.when_to_use))
        if len(line.split()) >= LINE_WORDS and not is_negative(line.strip())
    ]


def capped(pairs: Iterable[TrainingPair]) -> list[TrainingPair]:
    """Keep so many pairs of each agent; which ones is decided by a hash of their text.

    Args:
        pairs: Any pairs.

    Returns:
        At most `PAIRS_PER_AGENT` of each agent, agents in order.
    """
    by_agent: dict[int, list[TrainingPair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda pair: text_hash(pair.text)):
        if len(by_agent[pair.agents[0]]) < PAIRS_PER_AGENT:
            by_agent[pair.agents[0]].append(pair)
    return [pair for _, group in sorted(by_agent.items()) for pair in group]


def text_hash(text: str) -> bytes:
    """Return what puts texts into an order that has nothing to do with them."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
