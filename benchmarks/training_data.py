"""Gather what the routing encoder is trained on, without anything that tests look at.

Sources: our own imaginary agents and requests (`encoder_data/`), our own requests for
agents of public catalogues, lines of those catalogues, and the train splits of the sets
that have one. Sets whose figures are to stay those of a router that never saw their
kind (clinc150, banking77, healthcare_routing) are not used at all.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agentmatch import Agent, LabelledRequest, load_catalogue, read_requests
from agentmatch.catalogue import unique_agents
from agentmatch.training.pairs import capped, line_pairs, request_pairs, text_hash
from agentmatch.training.views import TrainingSet
from benchmarks.sets import BenchmarkSet, find_sets

WRITTEN = Path(__file__).with_name("encoder_data")
"""Our own imaginary agents with requests, and requests for agents of public catalogues."""

CATALOGUE_REQUESTS = WRITTEN / "catalogues.jsonl"
"""Our own requests for agents of public catalogues, by their names."""

LANGUAGES = "written languages"
"""Our own requests in other languages for agents of the other folders."""

TRAINED_SETS = ("builtin", "metatool", "seal_tools")
"""Sets whose train split is trained on."""

CATALOGUES = {
    "VoltAgent+awesome-claude-code-subagents": "MIT",
    "bmad-code-org+BMAD-METHOD": "MIT",
    "github+awesome-copilot": "MIT",
    "perfectuser21+Claude_Enhancer": "MIT",
    "ubehera+claude-agents-pro": "Apache-2.0",
}
"""Public catalogues whose lines are trained on, and their licences. That of
wshobson/agents is not among them: its example tasks are test requests."""

LAST_WRITTEN = ("written company", "written engineering", "written functions", LANGUAGES)
"""Sources that were written while the encoders of the proof were in training already."""

FAMILIES = {
    "tools": ("metatool", "seal_tools", *LAST_WRITTEN),
    "coding-agents": ("builtin", *CATALOGUES, *LAST_WRITTEN),
}
"""Sources that are left out together to prove that the training carries over: the first
family for metatool, seal_tools and livemcpbench, the second for agents/, wshobson_agents
and davila7_agents."""

ABOUT_SOFTWARE = ("coding", "engineering", "specialists")
NOT_ABOUT_SOFTWARE = ("functions", "professions", "service")
"""Folders of `WRITTEN`: no agent of the one kind fits a request of the other."""

UNLIKE_NONE = ("company", "languages", "servers")
"""Folders of `WRITTEN` that have agents of both kinds."""

FOREIGN_REQUESTS = 600
"""Requests of the other kind that a catalogue gets as requests that no agent fits."""

SHARED_RUN = 8
"""A training text that shares so many words in a row with a test request is dropped."""


@dataclass(frozen=True)
class Source:
    """Hold the pairs of one source.

    Attributes:
        training: Its agents and pairs.
        licence: Under which they may be used.
        requests: How many of the pairs are requests (the others are lines of agents).
        none: How many requests of the set itself no agent fits.
        dropped: Texts taken out because a test request is like them.
    """

    training: TrainingSet
    licence: str
    requests: int
    none: int
    dropped: int


class TestGuard:
    """Tell whether a text is, or shares a long run of words with, a test request.

    Args:
        sets: The sets whose test requests are guarded.
    """

    __test__ = False

    def __init__(self, sets: Iterable[BenchmarkSet]) -> None:
        self._texts: set[tuple[str, ...]] = set()
        self._runs: set[tuple[str, ...]] = set()
        for benchmark in sets:
            for request in benchmark.split("test"):
                words = _words(request.text)
                self._texts.add(words)
                self._runs.update(_runs(words))

    def __contains__(self, text: str) -> bool:
        words = _words(text)
        return words in self._texts or not self._runs.isdisjoint(_runs(words))


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[぀-ヿ㐀-鿿가-힣]|\w+", text.casefold()))


def _runs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(words[at : at + SHARED_RUN]) for at in range(len(words) - SHARED_RUN + 1))


def gather(data: Path, catalogues: Path, without: Collection[str] = ()) -> list[Source]:
    """Read all sources that are on this machine.

    Args:
        data: The folder of public sets.
        catalogues: The folder of public catalogues.
        without: Names of sources that are left out.

    Returns:
        The sources, in a fixed order.
    """
    sets = find_sets((), data)
    guard = TestGuard(sets)
    sources = [
        _source(_written_name(folder.name), *_written(folder), "MIT (ours)", guard)
        for folder in sorted(WRITTEN.iterdir())
        if folder.is_dir()
    ]
    licences = {"builtin": "MIT (ours)", "metatool": "MIT", "seal_tools": "Apache-2.0"}
    sources += [
        _source(each.name, each.agents, training_requests(each), licences[each.name], guard)
        for each in sets
        if each.name in TRAINED_SETS
    ]
    requests = _catalogue_requests()
    for name, licence in CATALOGUES.items():
        if (catalogues / name).is_dir():
            agents = unique_agents(load_catalogue(catalogues / name).agents)
            known = {agent.name for agent in agents}
            ours = [each for each in requests.get(name, []) if known.issuperset(each.agents)]
            sources.append(_source(name, agents, ours, licence, guard))
    sources = [source for source in sources if source.training.name not in without]
    return [_with_foreign(source, sources) for source in sources]


def _with_foreign(source: Source, sources: Sequence[Source]) -> Source:
    """Add requests of the other kind, so that the training sees what no agent fits."""
    name = source.training.name
    software = (*(_written_name(folder) for folder in ABOUT_SOFTWARE), "builtin", *CATALOGUES)
    other = NOT_ABOUT_SOFTWARE if name in software else ABOUT_SOFTWARE
    if name in (_written_name(folder) for folder in UNLIKE_NONE):
        return source
    others = [_written_name(folder) for folder in other]
    texts = [
        pair.text
        for each in sources
        if each.training.name in others
        for pair in each.training.pairs
        if not pair.is_line
    ]
    chosen = sorted(texts, key=lambda text: text_hash(f"{name} {text}"))[:FOREIGN_REQUESTS]
    training = source.training
    return replace(source, training=replace(training, none=(*training.none, *chosen)))


def _written_name(folder: str) -> str:
    return f"written {folder}"


def training_requests(benchmark: BenchmarkSet) -> tuple[LabelledRequest, ...]:
    """Return the requests that an encoder is trained on: the train split.

    Of a set without one it is every other dev request, by a hash of its id.
    """
    train = benchmark.split("train")
    if train:
        return train
    return tuple(request for request in benchmark.split("dev") if _is_even(request.id))


def untrained_requests(benchmark: BenchmarkSet) -> tuple[LabelledRequest, ...]:
    """Return the dev requests that no encoder is trained on."""
    if benchmark.split("train"):
        return benchmark.split("dev")
    return tuple(request for request in benchmark.split("dev") if not _is_even(request.id))


def _is_even(identifier: str) -> bool:
    return text_hash(identifier)[0] % 2 == 0


def _written(folder: Path) -> tuple[tuple[Agent, ...], tuple[LabelledRequest, ...]]:
    requests = read_requests(folder / "requests.jsonl")
    if (folder / "agents.jsonl").exists():
        return load_catalogue(folder / "agents.jsonl").agents, requests
    # Requests for agents of the other folders.
    asked = {name for request in requests for name in request.agents}
    others = sorted(folder.parent.glob("*/agents.jsonl"))
    agents = [agent for file in others for agent in load_catalogue(file).agents]
    return unique_agents([agent for agent in agents if agent.name in asked]), requests


def _catalogue_requests() -> dict[str, list[LabelledRequest]]:
    found: dict[str, list[LabelledRequest]] = defaultdict(list)
    if CATALOGUE_REQUESTS.exists():
        for number, line in enumerate(CATALOGUE_REQUESTS.read_text(encoding="utf-8").splitlines()):
            row = json.loads(line)
            request = LabelledRequest(str(number), row["text"], tuple(row["agents"]), "train")
            found[row["catalogue"]].append(request)
    return found


def _source(
    name: str,
    agents: Sequence[Agent],
    requests: Sequence[LabelledRequest],
    licence: str,
    guard: TestGuard,
) -> Source:
    """Make pairs of requests, and of those lines of the agents that read like requests."""
    asked, lines = request_pairs(agents, requests), line_pairs(agents)
    clean = [pair for pair in asked if pair.text not in guard]
    clean_lines = [pair for pair in lines if pair.text not in guard]
    kept = capped(clean)
    none = tuple(
        request.text for request in requests if not request.agents and request.text not in guard
    )
    return Source(
        TrainingSet(name, tuple(agents), (*kept, *capped(clean_lines)), none),
        licence,
        len(kept),
        len(none),
        len(asked) + len(lines) - len(clean) - len(clean_lines),
    )
