"""Check a catalogue for what makes its agents hard to route to: the linter's pure part."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence, Set

from agentmatch.types import Agent, Catalogue, Problem

FindLine = Callable[[Agent, str], int | None]
"""Finds the line of an agent's file that holds a text; `catalogue.find_line` is one."""

SHORT_DESCRIPTION_WORDS = 5
"""A description with fewer words tells too little to be matched."""

MAX_NAME_LENGTH = 64
"""Longer names are refused by common orchestrators."""

SHINGLE_WORDS = 3
"""Near-duplicate agents are compared by their runs of this many words."""

NEAR_DUPLICATE_AGENTS = 0.6
"""Two agents that share at least this part of their shingles (Jaccard) are reported."""

NEAR_DUPLICATE_EXAMPLES = 0.8
"""Two example tasks that share at least this part of their words are one task."""

_CALLABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_WORD = re.compile(r"\w+")
# Chinese, Japanese and Korean are written without blanks: each sign counts as a word.
_COUNTED_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|\w+")
_SEPARATORS = str.maketrans("", "", " -_.")

# Words without which two requests still ask for the same thing.
_SMALL_WORDS = frozenset({
    "a", "an", "and", "by", "for", "from", "in", "my", "of", "on", "our", "that", "the", "this",
    "to", "with", "your",
})  # fmt: skip

_COMPARED_FIELDS = ("when_to_use", "example_tasks", "capabilities", "expertise", "purpose")
"""The fields, besides the description, whose text is indexed and compared."""


def check_catalogue(
    catalogue: Catalogue, *, find_line: FindLine | None = None
) -> tuple[Problem, ...]:
    """List everything that the authors of a catalogue should look at.

    Args:
        catalogue: The catalogue.
        find_line: Finds the lines to name for examples that two agents claim; without
            it only their files are named.

    Returns:
        What loading reported, and what the agents themselves show, sorted by path and
        line. Errors make routing ambiguous, warnings make it worse, notes are style.
    """
    agents = catalogue.agents
    near = near_duplicates(agents)
    problems = list(catalogue.problems)
    for agent in agents:
        problems += _check_name(agent)
        problems += _check_sections(agent)
    problems += _check_similar_names(agents)
    problems += _near_duplicate_problems(agents, near)
    problems += _shared_example_problems(agents, near, find_line)
    return tuple(
        sorted(
            dict.fromkeys(problems),
            key=lambda problem: (
                problem.path.as_posix() if problem.path else "",
                problem.line or 0,
                problem.code,
                problem.message,
            ),
        )
    )


def near_duplicates(agents: Sequence[Agent]) -> list[tuple[int, int]]:
    """Find the pairs of agents whose indexed texts are nearly the same.

    Args:
        agents: The agents.

    Returns:
        Pairs of positions, the smaller first, in order.
    """
    return list(similar_pairs([_shingles(agent) for agent in agents], NEAR_DUPLICATE_AGENTS))


def similar_pairs(sets: Sequence[Set[str]], threshold: float) -> Iterator[tuple[int, int]]:
    """Yield every pair of sets whose Jaccard similarity reaches a threshold.

    Sets that reach it share at least one of their rarest elements, so only those are
    looked up: 400 agents take a fraction of a second.

    Args:
        sets: The sets; empty ones are like no other.
        threshold: The smallest similarity, above 0 and at most 1.

    Yields:
        Pairs of positions, the smaller first, in order.

    Example:
        >>> list(similar_pairs([{"a", "b"}, {"c"}, {"a", "b", "d"}], 0.6))
        [(0, 2)]
    """
    frequency = Counter(element for members in sets for element in members)
    holders: dict[str, list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    for position, members in enumerate(sets):
        rarest = sorted(members, key=lambda element: (frequency[element], element))
        # Two sets that overlap in share t of the larger one cannot both miss each other
        # in their first (1 - t) elements of any common order.
        kept = rarest[: len(rarest) - math.ceil(threshold * len(rarest)) + 1]
        candidates = {other for element in kept for other in holders[element]}
        for other in candidates:
            if jaccard(sets[other], members) >= threshold:
                pairs.append((other, position))
        for element in kept:
            holders[element].append(position)
    yield from sorted(pairs)


def jaccard(first: Set[str], second: Set[str]) -> float:
    """Return the share of common elements in the union of two sets."""
    common = len(first & second)
    union = len(first) + len(second) - common
    return common / union if union else 0.0


def _check_name(agent: Agent) -> Iterator[Problem]:
    name = agent.name
    if len(name) > MAX_NAME_LENGTH:
        message = f"the name {name[:40]!r}... has {len(name)} characters; keep {MAX_NAME_LENGTH}"
        yield Problem("warning", "long-name", message, agent.path)
    if not _CALLABLE_NAME.fullmatch(name):
        # Copilot shows names with blanks to people; only its file name is called.
        severe = not name.isprintable() or any(sign in name for sign in "/\\\"'`<>")
        message = (
            f"the name {name!r} has signs other than letters, digits, '-', '_' and '.'; "
            "many orchestrators cannot call it"
        )
        yield Problem("warning" if severe else "note", "uncallable-name", message, agent.path)


def _check_sections(agent: Agent) -> Iterator[Problem]:
    path, description = agent.path, agent.description
    label = f"agent {agent.name!r}"
    if not description:
        message = f"{label} has no description: say in one or two sentences what it is for"
        yield Problem("error", "no-description", message, path)
    elif len(_COUNTED_WORD.findall(description)) < SHORT_DESCRIPTION_WORDS:
        message = f"{label} is described in too few words to be found: {description!r}"
        yield Problem("warning", "short-description", message, path)
    if not agent.when_to_use and not agent.example_tasks:
        message = f"{label} names neither situations ('When to Use') nor requests ('Example Tasks')"
        yield Problem("warning", "no-situations", message, path)
    elif not agent.when_to_use:
        yield Problem("note", "no-when-to-use", f"{label} has no section 'When to Use'", path)
    elif not agent.example_tasks:
        yield Problem("note", "no-example-tasks", f"{label} has no section 'Example Tasks'", path)
    if not agent.capabilities and not agent.expertise:
        message = f"{label} has neither a section 'Capabilities' nor 'Expertise Areas'"
        yield Problem("note", "no-capabilities", message, path)


def _check_similar_names(agents: Sequence[Agent]) -> Iterator[Problem]:
    """Report names that differ only in case, blanks and hyphens."""
    seen: dict[str, Agent] = {}
    for agent in agents:
        letters = agent.name.casefold().translate(_SEPARATORS)
        first = seen.setdefault(letters, agent)
        if letters and first.name != agent.name:
            message = (
                f"the name {agent.name!r} is hardly another than {first.name!r} ({first.path})"
            )
            yield Problem("warning", "similar-name", message, agent.path)


def _near_duplicate_problems(
    agents: Sequence[Agent], pairs: Sequence[tuple[int, int]]
) -> Iterator[Problem]:
    reported: set[int] = set()
    for first, second in pairs:
        # One warning an agent: of eight copies, seven are named with the first they match.
        # Equal names are an error of their own.
        if second in reported or agents[first].name == agents[second].name:
            continue
        reported.add(second)
        share = jaccard(_shingles(agents[first]), _shingles(agents[second]))
        message = (
            f"agent {agents[second].name!r} is nearly the same as {agents[first].name!r} "
            f"({agents[first].path}): {share:.0%} of their text; say what sets them apart, "
            "or remove one"
        )
        yield Problem("warning", "near-duplicate", message, agents[second].path)


def _shared_example_problems(
    agents: Sequence[Agent],
    near: Collection[tuple[int, int]],
    find_line: FindLine | None,
) -> Iterator[Problem]:
    """Report requests that two agents claim, unless the agents are copies anyway."""
    examples = [
        (position, task) for position, agent in enumerate(agents) for task in agent.example_tasks
    ]
    copies = set(near)
    for first, second in similar_pairs(
        [_request_words(task) for _, task in examples], NEAR_DUPLICATE_EXAMPLES
    ):
        (owner, task), (claimant, claimed) = examples[first], examples[second]
        one, other = agents[owner], agents[claimant]
        if owner == claimant or one.name == other.name or (owner, claimant) in copies:
            continue
        place = Problem("note", "", "", one.path, find_line(one, task) if find_line else None).place
        wording = "" if task == claimed else f" as {task!r}"
        message = (
            f"the example task {claimed!r} of agent {other.name!r} is claimed by {one.name!r} too"
            f"{wording} ({place}); give it to one of them"
        )
        line = find_line(other, claimed) if find_line else None
        yield Problem("warning", "shared-example", message, other.path, line)


def _shingles(agent: Agent) -> frozenset[str]:
    """Return the runs of words of an agent's indexed text; none crosses a line's end."""
    found: set[str] = set()
    lines = [
        agent.description,
        *(line for name in _COMPARED_FIELDS for line in getattr(agent, name)),
    ]
    for line in lines:
        words = _WORD.findall(line.casefold())
        last = max(1, len(words) - SHINGLE_WORDS + 1)
        found.update(" ".join(words[start : start + SHINGLE_WORDS]) for start in range(last))
    found.discard("")
    return frozenset(found)


def _request_words(task: str) -> frozenset[str]:
    words = frozenset(_WORD.findall(task.casefold()))
    return words - _SMALL_WORDS or words
