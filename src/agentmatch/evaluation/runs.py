"""Record what an evaluation found, in one JSON file that later runs compare with."""

from __future__ import annotations

import json
import os
import platform
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from agentmatch.errors import RunFileError
from agentmatch.evaluation.metrics import Interval, per_request_metrics, team_metrics
from agentmatch.files import write_atomically

RUN_FORMAT = 3
"""Changes whenever a run file is laid out in another way."""

RunKind = Literal["requests", "leave-one-out"]


@dataclass(frozen=True, slots=True)
class RankedAgent:
    """Hold one agent of a ranking and the passage that speaks most for it.

    Attributes:
        name: The agent's name.
        score: Its score; higher is better.
        section: Where the passage stands in the agent, or "".
        evidence: The passage.
        similarity: Cosine similarity of request and passage, -1 to 1.
        confidence: The probability that the agent is a right one, or None where it
            was not computed.
    """

    name: str
    score: float
    section: str = ""
    evidence: str = ""
    similarity: float = 0.0
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class RunEntry:
    """Hold one request of a run and how it was answered.

    Attributes:
        id: The request's identifier.
        text: The request.
        gold: Names of the right agents; empty where no agent fits.
        tags: The request's tags.
        ranking: The agents, best first; empty where the request failed.
        latency: Milliseconds from the request to its answer, or None where requests
            were answered together.
        error: Why the request failed, or "".
        confidence_none: The probability that no agent fits, or None where it was not
            computed.
        abstained: Whether the answer was that no agent fits; the ranking is kept.
        team: Names of the proposed team, or None where none was asked for.
    """

    id: str
    text: str
    gold: tuple[str, ...]
    tags: tuple[str, ...] = ()
    ranking: tuple[RankedAgent, ...] = ()
    latency: float | None = None
    error: str = ""
    confidence_none: float | None = None
    abstained: bool = False
    team: tuple[str, ...] | None = None

    @property
    def names(self) -> list[str]:
        """Return the names of the ranking, best first."""
        return [agent.name for agent in self.ranking]

    @property
    def metrics(self) -> dict[str, float]:
        """Return its ranking metrics and, where a team was asked for, those of the team.

        Raises:
            ValueError: No agent fits the request.
        """
        found = per_request_metrics(self.names, self.gold)
        return found if self.team is None else found | team_metrics(self.team, self.gold)

    @property
    def correct(self) -> bool:
        """Tell whether the first agent is a right one."""
        return bool(self.ranking) and self.ranking[0].name in self.gold


@dataclass(frozen=True, slots=True)
class AgentBreakdown:
    """Say how well requests reach one agent, over requests that some agent fits.

    Attributes:
        name: The agent.
        n: Requests for which it is right.
        accuracy: Share of them whose first agent is right, be it this one or another.
        recall: Share of them whose first agent is this one.
        recall_at_5: Share of them that have this one among the first five.
        answered: Requests whose first agent is this one.
        precision: Share of those for which it is right, or None where there are none.
    """

    name: str
    n: int
    accuracy: float | None
    recall: float | None
    recall_at_5: float | None
    answered: int
    precision: float | None


@dataclass(frozen=True, slots=True)
class TagBreakdown:
    """Say how well the requests of one tag are routed.

    Attributes:
        tag: The tag.
        n: Its requests that some agent fits.
        out_of_scope: Its requests that no agent fits.
        metrics: Metrics over the n requests; empty where n is 0.
    """

    tag: str
    n: int
    out_of_scope: int
    metrics: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Misrouted:
    """Hold one request whose first agent is wrong.

    Attributes:
        id: The request's identifier.
        text: The request.
        section: Where the passage that misled stands in the wrong agent.
        evidence: That passage: the wrong agent's nearest to the request.
        similarity: Cosine similarity of request and passage, -1 to 1.
    """

    id: str
    text: str
    section: str
    evidence: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """Hold the requests for one agent that went to another.

    Attributes:
        asked: The right agent; of several the best-ranked, else the first label.
        got: The agent that came first.
        requests: The requests, in the order of the run.
    """

    asked: str
    got: str
    requests: tuple[Misrouted, ...]

    @property
    def count(self) -> int:
        """Return the number of requests."""
        return len(self.requests)


@dataclass(frozen=True, slots=True)
class Latency:
    """Hold how long one request took, encoded and ranked by itself, in milliseconds.

    Attributes:
        p50: The median.
        p95: The 95th percentile.
    """

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Run:
    """Hold everything that one evaluation used and found.

    Attributes:
        format: The layout of the file (`RUN_FORMAT`).
        version: The version of agentmatch.
        created: When it was made, ISO 8601, UTC.
        kind: "requests" for labelled requests, "leave-one-out" for example tasks.
        settings: What shaped the numbers: ranking depth, seed, resamples, weights.
        encoder: The encoder's name.
        encoder_fingerprint: The encoder's fingerprint.
        catalogue: The catalogue's path, or "".
        catalogue_hash: sha256 over the names and contents of its agents.
        agents: The number of its agents.
        request_set: The request file's path, or "".
        requests_hash: sha256 over the requests that were used, with their labels.
        split: The split that was used, or "" for all.
        machine: Platform, Python version, number of processors.
        entries: Every request with its answer.
        metrics: Each metric with its 95 % interval, over the requests that have it:
            ranking metrics see whole rankings, be they refused or not, and leave out
            requests without a right agent.
        latency: Milliseconds a request, or None where it was not measured.
        by_agent: A breakdown by agent, weakest first.
        by_tag: A breakdown by tag.
        confusions: Pairs of agents that were confused, most frequent first.
    """

    format: int
    version: str
    created: str
    kind: RunKind
    settings: Mapping[str, Any]
    encoder: str
    encoder_fingerprint: str
    catalogue: str
    catalogue_hash: str
    agents: int
    request_set: str
    requests_hash: str
    split: str
    machine: Mapping[str, Any]
    entries: tuple[RunEntry, ...]
    metrics: Mapping[str, Interval]
    latency: Latency | None
    by_agent: tuple[AgentBreakdown, ...]
    by_tag: tuple[TagBreakdown, ...]
    confusions: tuple[Confusion, ...]

    @property
    def n(self) -> int:
        """Return the number of requests that some agent fits."""
        return sum(bool(entry.gold) for entry in self.entries)

    @property
    def out_of_scope(self) -> int:
        """Return the number of requests that no agent fits."""
        return len(self.entries) - self.n

    @property
    def failed(self) -> int:
        """Return the number of requests that could not be answered."""
        return sum(bool(entry.error) for entry in self.entries)

    @property
    def stolen(self) -> tuple[Confusion, ...]:
        """Return the pairs in which one agent took another's example tasks.

        These are the confusions of a leave-one-out run; a run of requests has none.
        """
        return self.confusions if self.kind == "leave-one-out" else ()

    def save(self, path: Path | str) -> None:
        """Write the run into one JSON file, in one step.

        Args:
            path: The file; replaced where it exists.

        Raises:
            OSError: The disk does not take it.
        """
        # Keys keep the order of the fields; only ASCII, so that any text survives.
        write_atomically(Path(path), json.dumps(asdict(self), indent=1).encode("ascii"))

    @classmethod
    def load(cls, path: Path | str) -> Run:
        """Read a run that `save` wrote.

        Args:
            path: The file.

        Returns:
            The run.

        Raises:
            RunFileError: There is no such file, it is no run, or another version of
                agentmatch wrote it in another format.
        """
        file = Path(path)
        try:
            document = json.loads(file.read_bytes())
        except OSError as error:
            raise RunFileError(file, f"cannot be read: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            raise RunFileError(file, f"not valid JSON ({error}); it may be truncated") from None
        if not isinstance(document, dict) or not {"format", "entries"} <= document.keys():
            raise RunFileError(file, "not a run that 'agentmatch evaluate -o' wrote")
        if document["format"] != RUN_FORMAT:
            raise RunFileError(
                file,
                f"written by agentmatch {document.get('version', '?')} in format "
                f"{document['format']!r}, not {RUN_FORMAT}; run the evaluation again",
            )
        try:
            run = _decode(cls, document, "run")
        except _FieldError as error:
            raise RunFileError(file, f"edited or damaged: {error}") from None
        assert isinstance(run, cls)
        return run


def describe_machine() -> dict[str, Any]:
    """Return what a latency depends on: platform, Python, processors."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count() or 0,
    }


class _FieldError(Exception):
    """Say which value of a document has the wrong shape."""


_hints = lru_cache(maxsize=None)(get_type_hints)


def _decode(expected: Any, value: Any, place: str) -> Any:
    """Make a record of JSON values, checking each value against its annotation."""
    if expected is Any:
        return value
    if is_dataclass(expected):
        assert isinstance(expected, type)
        names = [field.name for field in fields(expected)]
        if not isinstance(value, dict) or value.keys() != set(names):
            raise _FieldError(f"{place} does not have the keys of a {expected.__name__}")
        return expected(
            **{
                name: _decode(_hints(expected)[name], value[name], f"{place}.{name}")
                for name in names
            }
        )
    origin, arguments = get_origin(expected), get_args(expected)
    if origin is tuple:
        if isinstance(value, list):
            return tuple(
                _decode(arguments[0], item, f"{place}[{number}]")
                for number, item in enumerate(value)
            )
    elif origin is Mapping:
        if isinstance(value, dict):
            return {
                key: _decode(arguments[1], item, f"{place}.{key}") for key, item in value.items()
            }
    elif origin in (Union, types.UnionType):
        if value is None:
            return None
        return _decode(next(kind for kind in arguments if kind is not types.NoneType), value, place)
    elif origin is Literal:
        if value in arguments:
            return value
    elif expected is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif isinstance(value, expected) and isinstance(value, bool) == (expected is bool):
        return value
    raise _FieldError(f"{place} is {str(value)[:40]!r}")
