"""Records that every part of agentmatch passes on: agents, passages, matches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]

LINE_FIELDS = (
    "when_to_use",
    "example_tasks",
    "capabilities",
    "expertise",
    "purpose",
    "workflow",
    "best_practices",
    "success_metrics",
)
"""The fields of an agent that hold lines of its text."""

Boundary = Literal["start", "list", "connective", "sentence", "clause"]
"""What marks the beginning of a part of a request (see `agentmatch.splitting`)."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Describe one agent as its author did.

    Attributes:
        name: The identifier by which the agent is called; unique in a catalogue.
        title: A readable name ("Backend Development Specialist"), or "".
        description: What the agent is for, without example dialogues.
        when_to_use: Situations that call for the agent, one a line.
        example_tasks: Requests that it should take, in a user's words.
        capabilities: What it can do, one a line.
        expertise: Fields, languages and products that it knows, one a line.
        purpose: Paragraphs that say what its role is ("You are a ...").
        workflow: Steps or phases of its work.
        best_practices: Rules that it follows.
        success_metrics: How its work is judged.
        tags: Short labels: category, division, activation keywords.
        tools: Names of the tools it may use; empty where the file says nothing.
        model: The language model it asks for, or "".
        metadata: All other front-matter keys, as plain JSON values.
        path: The file it was read from, or None.
        body: The file's text after the front matter.
    """

    name: str
    title: str = ""
    description: str = ""
    when_to_use: tuple[str, ...] = ()
    example_tasks: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    expertise: tuple[str, ...] = ()
    purpose: tuple[str, ...] = ()
    workflow: tuple[str, ...] = ()
    best_practices: tuple[str, ...] = ()
    success_metrics: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    model: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    path: Path | None = None
    body: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Name something an author should know about one file of a catalogue.

    Attributes:
        severity: "error" where content is lost or ambiguous, "warning" where it
            was recovered, "note" for information (a file that is no agent).
        code: A stable, kebab-case identifier such as "invalid-yaml".
        message: What is wrong and what to do.
        path: The file, or None.
        line: The 1-based line, or None.
    """

    severity: Severity
    code: str
    message: str
    path: Path | None = None
    line: int | None = None

    @property
    def place(self) -> str:
        """Return "path:line", "path" or ""."""
        if self.path is None:
            return ""
        return f"{self.path}:{self.line}" if self.line is not None else str(self.path)

    def __str__(self) -> str:
        place = self.place
        return f"{place}: {self.message}" if place else self.message


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Hold what was read from one folder or file of agents.

    Attributes:
        path: The folder or file.
        agents: Every agent that was read, sorted by name, then path. Duplicate
            names are kept here, each reported in `problems`.
        problems: Everything worth telling the author, sorted by path and line.
    """

    path: Path
    agents: tuple[Agent, ...]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.agents)

    def __iter__(self) -> Iterator[Agent]:
        return iter(self.agents)


@dataclass(frozen=True, slots=True)
class FileState:
    """Identify one version of a file by what a stat call tells.

    Attributes:
        path: The file, relative to the catalogue, with forward slashes.
        size: Its size in bytes.
        modified: Its time of modification in nanoseconds.
    """

    path: str
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class CatalogueState:
    """Remember which files an index was built from.

    Attributes:
        path: The catalogue's absolute path.
        taken: When the files were looked at, in nanoseconds since the epoch.
        files: Every file that could define an agent, sorted by path.
    """

    path: str
    taken: int
    files: tuple[FileState, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """Hold one text that says what an agent is for.

    Attributes:
        section: Where it stands, such as "when_to_use".
        text: The text as it is embedded and shown.
    """

    section: str
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Show one passage that speaks for an agent.

    Attributes:
        section: Where the passage stands, such as "when_to_use".
        text: The passage.
        similarity: Cosine similarity of request and passage, -1 to 1.
    """

    section: str
    text: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Match:
    """Hold one agent of an answer.

    Attributes:
        rank: 1 for the best.
        agent: The agent.
        score: How well the agent fits the request; higher is better.
        evidence: The passages that earned it, best first.
        confidence: The probability that the agent is a right one, 0 to 1. It never
            rises from one rank to the next.
    """

    rank: int
    agent: Agent
    score: float
    evidence: tuple[Evidence, ...] = ()
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """Hold the answer to one request: a sequence of matches, best first.

    Attributes:
        request: The request as it was asked.
        matches: The agents that were accepted, best first; empty where the answer is
            that no agent fits.
        warnings: What the user should know about how the request was read.
        near_misses: The agents that follow them in the ranking and were refused.
        confidence_none: The probability that no agent of the catalogue fits, 0 to 1.
    """

    request: str
    matches: tuple[Match, ...]
    warnings: tuple[str, ...] = ()
    near_misses: tuple[Match, ...] = ()
    confidence_none: float = 0.0

    @property
    def abstained(self) -> bool:
        """Tell whether the answer is that no agent fits."""
        return not self.matches

    @property
    def ranking(self) -> tuple[Match, ...]:
        """Return the nearest agents, accepted or not, best first."""
        return self.matches + self.near_misses

    def __len__(self) -> int:
        return len(self.matches)

    def __iter__(self) -> Iterator[Match]:
        return iter(self.matches)

    def __getitem__(self, position: int) -> Match:
        return self.matches[position]


@dataclass(frozen=True, slots=True)
class Signal:
    """Show one part of an agent's score.

    Attributes:
        name: The signal, such as "best_passage".
        value: Its value for this request and agent.
        share: What it adds to the score: value times weight, over the sum of weights.
        rank: The agent's place by this signal alone; 1 for the best.
    """

    name: str
    value: float
    share: float
    rank: int


@dataclass(frozen=True, slots=True)
class Rival:
    """Compare another agent with the one that is explained.

    Attributes:
        match: The other agent, its rank, score and evidence.
        margins: For each signal, the other agent's share minus the explained agent's;
            above 0 where the other is ahead.
    """

    match: Match
    margins: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Say why an agent ranks where it does.

    Attributes:
        request: The request.
        match: The explained agent, its rank, score and evidence.
        agents: How many agents were ranked.
        signals: The parts of its score, largest share first.
        named: Whether the request names the agent outright.
        rivals: The agents just ahead of it, best first; for the first agent, the one
            that follows it.
        confidence_none: The probability that no agent of the catalogue fits, 0 to 1.
        abstained: Whether `match` answers by default that no agent fits.
    """

    request: str
    match: Match
    agents: int
    signals: tuple[Signal, ...]
    named: bool
    rivals: tuple[Rival, ...]
    confidence_none: float = 0.0
    abstained: bool = False


@dataclass(frozen=True, slots=True)
class RequestPart:
    """Hold a part of a request that may be a job of its own.

    Attributes:
        text: The part, exactly as it stands in the request.
        start: The place of its first character in the request.
        end: The place after its last character.
        boundary: What marks its beginning.
    """

    text: str
    start: int
    end: int
    boundary: Boundary = "start"


@dataclass(frozen=True, slots=True)
class TeamMember:
    """Hold one agent of a team and what it is there for.

    Attributes:
        match: The agent with its rank, score and evidence for its parts of the request.
        parts: The parts that it covers, in order.
    """

    match: Match
    parts: tuple[RequestPart, ...]

    @property
    def agent(self) -> Agent:
        """Return the agent."""
        return self.match.agent

    @property
    def part(self) -> str:
        """Return the texts of its parts on one line."""
        return " \u2026 ".join(" ".join(part.text.split()) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Team:
    """Hold the agents that one request needs, in the order of its parts.

    Attributes:
        request: The request as it was asked.
        members: The agents, each with the parts that it covers.
        warnings: What the user should know about how the request was read.
        uncovered: The parts that no agent fits, in order.
    """

    request: str
    members: tuple[TeamMember, ...]
    warnings: tuple[str, ...] = ()
    uncovered: tuple[RequestPart, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[TeamMember]:
        return iter(self.members)

    def __getitem__(self, position: int) -> TeamMember:
        return self.members[position]
