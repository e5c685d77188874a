"""Find and read benchmark sets: a catalogue with labelled requests.

A set is a folder with `agents.jsonl` and `requests.jsonl`, both in agentmatch's formats.
Its requests have the splits "train", "dev" and "test".
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agentmatch import Agent, LabelledRequest, load_catalogue, read_requests
from agentmatch.evaluation.request_sets import require_known_agents

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
    requests: tuple[LabelledRequest, ...]

    def split(self, *names: str) -> tuple[LabelledRequest, ...]:
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
        AgentMatchError: The catalogue or a line of the requests cannot be read, or a
            label names no agent.
    """
    catalogue = load_catalogue(agents)
    read = read_requests(requests)
    require_known_agents(read, [agent.name for agent in catalogue], str(requests))
    return BenchmarkSet(name, catalogue.agents, read)


def with_examples(
    agents: Iterable[Agent], requests: Iterable[LabelledRequest]
) -> tuple[Agent, ...]:
    """Give each agent the requests that it should take as example tasks."""
    tasks: dict[str, list[str]] = {}
    for request in requests:
        for name in request.agents:
            tasks.setdefault(name, []).append(request.text)
    return tuple(
        replace(
            agent,
            example_tasks=tuple(dict.fromkeys((*agent.example_tasks, *tasks.get(agent.name, ())))),
        )
        for agent in agents
    )


def hash_requests(requests: Sequence[LabelledRequest]) -> str:
    """Hash requests and labels, so that results of the same ones can be compared."""
    rows = [[request.id, request.text, list(request.agents)] for request in requests]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
