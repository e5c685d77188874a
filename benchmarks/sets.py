"""Find and read benchmark sets: a catalogue with labelled requests.

A set is a folder with `agents.jsonl` and `requests.jsonl`. A line of the latter is
{"id": ..., "text": ..., "agents": [names], "split": "train" | "dev" | "test"}; an empty
list of agents marks a request that no agent fits.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agentmatch import Agent, load_catalogue

ROOT = Path(__file__).parents[1]
"""The repository."""

DEFAULT_DATA = ROOT.parent / "shared" / "benchmarks"
"""Where public sets are looked for unless told otherwise."""

OWN_SET = "builtin"
"""The set of this repository: agents/ with data/requests.jsonl."""

ZERO_SHOT_SETS = (
    OWN_SET,
    "metatool",
    "livemcpbench",
    "seal_tools",
    "wshobson_agents",
    "davila7_agents",
    "healthcare_routing",
)
"""Sets whose agents are described in words: routed without any labelled request."""

SUPERVISED_SETS = ("clinc150", "banking77")
"""Sets of intents that have a name and labelled requests but no description."""

SET_NAMES = (*ZERO_SHOT_SETS, *SUPERVISED_SETS)

MAX_REQUESTS = 1500
"""Test requests of one set that are measured; more would move no figure by a point."""

SAMPLE_SEED = 0
"""Chooses the requests where a set has more."""


@dataclass(frozen=True, slots=True)
class Request:
    """Hold one labelled request.

    Attributes:
        id: Its identifier in the set.
        text: What was asked.
        agents: Names of the right agents; empty where none fits.
        split: "train", "dev" or "test".
    """

    id: str
    text: str
    agents: tuple[str, ...]
    split: str


@dataclass(frozen=True)
class BenchmarkSet:
    """Hold the agents and the labelled requests of one set.

    Attributes:
        name: The set's name.
        agents: Its agents, sorted by name.
        requests: All its requests, in the order of the file.
    """

    name: str
    agents: tuple[Agent, ...]
    requests: tuple[Request, ...]

    def split(self, *names: str) -> tuple[Request, ...]:
        """Return the requests of some splits."""
        return tuple(request for request in self.requests if request.split in names)

    @property
    def settings(self) -> tuple[str, ...]:
        """Return "zero_shot" and "trained", as far as the set allows them."""
        if self.name in SUPERVISED_SETS:
            return ("trained",)
        return ("zero_shot", "trained") if self.split("train") else ("zero_shot",)


def find_sets(names: Sequence[str], data: Path) -> list[BenchmarkSet]:
    """Read the sets that are on this machine and say on stderr which are not.

    Args:
        names: The sets to read; all of them where none is named.
        data: The folder of public sets.

    Returns:
        The sets found, in the order of `SET_NAMES`.
    """
    found = []
    for name in SET_NAMES:
        if names and name not in names:
            continue
        agents = ROOT / "agents" if name == OWN_SET else data / name / "agents.jsonl"
        requests = (ROOT / "data" if name == OWN_SET else data / name) / "requests.jsonl"
        missing = next((path for path in (agents, requests) if not path.exists()), None)
        if missing is None:
            found.append(read_set(name, agents, requests))
        else:
            print(f"{name}: skipped, {missing} does not exist", file=sys.stderr)
    return found


def read_set(name: str, agents: Path, requests: Path) -> BenchmarkSet:
    """Read one set.

    Args:
        name: Its name.
        agents: Its catalogue, as `load_catalogue` takes it.
        requests: Its labelled requests.

    Returns:
        The set.

    Raises:
        ValueError: A line is no labelled request, or a label names no agent.
    """
    catalogue = load_catalogue(agents, strict=True)
    known = {agent.name for agent in catalogue}
    read = []
    with requests.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                request = Request(
                    str(record["id"]),
                    record["text"],
                    tuple(dict.fromkeys(record["agents"])),
                    record["split"],
                )
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{requests}:{number}: no labelled request ({error})") from None
            unknown = [agent for agent in request.agents if agent not in known]
            if unknown:
                raise ValueError(f"{requests}:{number}: no agent is named {unknown[0]!r}")
            read.append(request)
    return BenchmarkSet(name, catalogue.agents, tuple(read))


def sample(requests: Sequence[Request], limit: int, seed: int = SAMPLE_SEED) -> list[Request]:
    """Choose requests at random, kept in their order; a smaller sample is part of a larger."""
    chosen = list(range(len(requests)))
    random.Random(seed).shuffle(chosen)
    return [requests[position] for position in sorted(chosen[:limit])]


def with_examples(agents: Iterable[Agent], requests: Iterable[Request]) -> tuple[Agent, ...]:
    """Give each agent the requests that it should take as example tasks."""
    tasks: dict[str, list[str]] = {}
    for request in requests:
        for name in request.agents:
            tasks.setdefault(name, []).append(request.text)
    return tuple(
        replace(
            agent,
            example_tasks=tuple(
                dict.fromkeys((*agent.example_tasks, *tasks.get(agent.name, ())))
            ),
        )
        for agent in agents
    )


def hash_requests(requests: Sequence[Request]) -> str:
    """Hash requests and labels, so that results of the same ones can be compared."""
    rows = [[request.id, request.text, list(request.agents)] for request in requests]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
