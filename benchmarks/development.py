"""Signals of train and dev requests: what weights may be fitted on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agentmatch import Agent, AgentMatcher, Encoder, LabelledRequest, load_catalogue
from agentmatch.catalogue import unique_agents
from agentmatch.evaluation.request_sets import sample
from agentmatch.mentions import NameMentions
from agentmatch.ranking import NAME_MENTION_BONUS, fuse
from benchmarks.sets import DEFAULT_DATA, SAMPLE_SEED, find_sets
from benchmarks.vectors import CachedEncoder

DEFAULT_CATALOGUES = DEFAULT_DATA.with_name("catalogues")
"""Folders of agent files, whose example tasks serve as requests."""

DEV_SETS = ("builtin", "metatool", "seal_tools", "healthcare_routing")
"""Sets that have train or dev requests."""

TEST_CATALOGUES = ("wshobson+agents",)
"""Catalogues whose example tasks are requests of a test set: never fitted on."""

MIN_EXAMPLES = 20
"""Example tasks that a catalogue needs to say anything."""

MAX_DEV_REQUESTS = 800
"""Requests of one set that are looked at."""

Signals = Mapping[str, NDArray[np.float32]]


def add_catalogues(parser: argparse.ArgumentParser) -> None:
    """Add the option for the folder of catalogues."""
    parser.add_argument(
        "--catalogues", type=Path, default=DEFAULT_CATALOGUES, help="folder of catalogues"
    )


@dataclass(frozen=True)
class SignalSet:
    """Hold the signals of some labelled requests of one catalogue.

    Attributes:
        name: The set's name.
        signals: For each signal float32 [requests, agents].
        named: bool [requests, agents], agents that the request names outright.
        gold: bool [requests, agents], the right agents; one at least in each row.
    """

    name: str
    signals: Signals
    named: NDArray[np.bool_]
    gold: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.gold)


def signal_set(name: str, matcher: AgentMatcher, requests: Sequence[LabelledRequest]) -> SignalSet:
    """Compute the signals of those requests that some agent fits."""
    fitting = [request for request in requests if request.agents]
    names = tuple(agent.name for agent in matcher.agents)
    positions = {agent: position for position, agent in enumerate(names)}
    gold = np.zeros((len(fitting), len(names)), dtype=np.bool_)
    named = np.zeros_like(gold)
    mentions = NameMentions(names)
    for row, request in enumerate(fitting):
        gold[row, [positions[agent] for agent in request.agents]] = True
        named[row, mentions.find(request.text)] = True
    return SignalSet(name, matcher.signals([request.text for request in fitting]), named, gold)


def development_sets(
    data: Path, catalogues: Path, encoder_for: Callable[[str], Encoder], vectors: Path
) -> list[SignalSet]:
    """Compute the signals of all train and dev requests that are on this machine.

    Args:
        data: The folder of public sets.
        catalogues: The folder of catalogues, each a folder of agent files.
        encoder_for: Returns an encoder that was not trained on the set of that name.
        vectors: The folder of cached vectors.

    Returns:
        One `SignalSet` a set and one a catalogue that has example tasks enough.
    """
    found = []
    for benchmark in find_sets(DEV_SETS, data):
        requests = sample(benchmark.split("train", "dev"), MAX_DEV_REQUESTS, SAMPLE_SEED)
        cached = CachedEncoder(encoder_for(benchmark.name), vectors, benchmark.name)
        matcher = AgentMatcher(benchmark.agents, encoder=cached)
        found.append(signal_set(benchmark.name, matcher, requests))
        cached.save()
    if not catalogues.is_dir():
        print(f"catalogues: skipped, {catalogues} does not exist", file=sys.stderr)
        return found
    for folder in sorted(catalogues.iterdir()):
        if folder.is_dir() and folder.name not in TEST_CATALOGUES:
            agents = unique_agents(load_catalogue(folder).agents)
            if sum(len(agent.example_tasks) for agent in agents) >= MIN_EXAMPLES:
                cached = CachedEncoder(encoder_for(folder.name), vectors, folder.name)
                found.append(held_out_examples(folder.name, agents, cached))
                cached.save()
    return found


def held_out_examples(name: str, agents: Sequence[Agent], encoder: Encoder) -> SignalSet:
    """Ask each example task of a catalogue while its agent does not have it."""
    parts = [
        signal_set(name, AgentMatcher(others, encoder=encoder), requests)
        for others, requests in held_out_rounds(agents)
    ]
    return SignalSet(
        name,
        {
            signal: np.concatenate([part.signals[signal] for part in parts])
            for signal in parts[0].signals
        },
        np.concatenate([part.named for part in parts]),
        np.concatenate([part.gold for part in parts]),
    )


def held_out_rounds(
    agents: Sequence[Agent],
) -> Iterator[tuple[list[Agent], list[LabelledRequest]]]:
    """Yield agents that lack one example task each, with those tasks as requests.

    In round k every agent lacks its k-th example task, and those are the requests.
    """
    for k in range(max(len(agent.example_tasks) for agent in agents)):
        requests = [
            LabelledRequest(f"{agent.name}-{k}", agent.example_tasks[k], (agent.name,), "dev")
            for agent in agents
            if len(agent.example_tasks) > k
        ]
        yield without_example(agents, k), requests


def without_example(agents: Iterable[Agent], k: int) -> list[Agent]:
    """Take the k-th example task, counted from 0, from every agent."""
    return [
        replace(agent, example_tasks=agent.example_tasks[:k] + agent.example_tasks[k + 1 :])
        for agent in agents
    ]


def quality(
    signals: SignalSet, weights: Mapping[str, float], bonus: float = NAME_MENTION_BONUS
) -> dict[str, float]:
    """Measure what weights make of a set's signals.

    Args:
        signals: The set.
        weights: The weight of each signal.
        bonus: Added to the score of an agent that the request names.

    Returns:
        "accuracy@1" and "mrr@10" of the first right agent.
    """
    scores = fuse(signals.signals, weights)
    scores[signals.named] += np.float32(bonus)
    return quality_of_scores(scores, signals.gold)


def quality_of_scores(scores: NDArray[np.float32], gold: NDArray[np.bool_]) -> dict[str, float]:
    """Compute "accuracy@1" and "mrr@10"; an agent that ties with the right one counts before it.

    Args:
        scores: float32 [requests, agents].
        gold: bool [requests, agents].

    Returns:
        Both means.
    """
    best = np.where(gold, scores, -np.inf).max(axis=1, keepdims=True)
    ranks = 1 + ((scores >= best) & ~gold).sum(axis=1)
    return {
        "accuracy@1": float((ranks == 1).mean()),
        "mrr@10": float(np.where(ranks <= 10, 1 / ranks, 0).mean()),
    }
