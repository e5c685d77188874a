"""Take out of agents what makes all agents of a catalogue look alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from agentmatch.parsing.descriptions import split_sentences, strip_lead_in
from agentmatch.types import LINE_FIELDS, Agent

SHARED_AGENTS = 4
"""A text is boilerplate only if at least this many agents of different names have it."""

SHARED_SHARE = 0.05
"""A text is boilerplate only if at least this share of all agents has it."""

SHARED_WORDS = 4
"""Shorter texts ("Error handling") are common vocabulary and stay."""


def strip_boilerplate(agents: Sequence[Agent]) -> tuple[Agent, ...]:
    """Take stock phrases and repeated texts out of agents.

    "Use PROACTIVELY for database tuning." becomes "Database tuning." in a description.
    Lines of a section, paragraphs of a purpose and sentences of a description that
    many agents share word for word (SHARED_AGENTS, SHARED_SHARE) go, unless nothing
    would be left of a description. Bodies stay as they are.

    Args:
        agents: All agents of a catalogue.

    Returns:
        The same agents in the same order.
    """
    unstocked = [replace(agent, description=_without_stock(agent.description)) for agent in agents]
    owners: dict[str, set[str]] = defaultdict(set)
    for agent in unstocked:
        for text in _texts(agent):
            owners[text].add(agent.name)
    enough = max(SHARED_AGENTS, SHARED_SHARE * len(agents))
    shared = {
        text
        for text, names in owners.items()
        if len(names) >= enough and len(text.split()) >= SHARED_WORDS
    }
    if not shared:
        return tuple(unstocked)
    return tuple(_without(agent, shared.__contains__) for agent in unstocked)


def _texts(agent: Agent) -> Iterable[str]:
    for section in LINE_FIELDS:
        yield from map(_normal, getattr(agent, section))
    yield from map(_normal, split_sentences(agent.description))


def _without(agent: Agent, is_shared: Callable[[str], bool]) -> Agent:
    sentences = split_sentences(agent.description)
    own = [sentence for sentence in sentences if not is_shared(_normal(sentence))]
    description = agent.description
    if own and len(own) < len(sentences):
        description = " ".join(own)
    changed: dict[str, Any] = {
        section: tuple(line for line in getattr(agent, section) if not is_shared(_normal(line)))
        for section in LINE_FIELDS
    }
    return replace(agent, description=description, **changed)


def _without_stock(description: str) -> str:
    """Take stock lead-ins off the sentences of a description, keeping what follows."""
    sentences = split_sentences(description)
    kept = [_plain(sentence) for sentence in sentences]
    if kept == sentences:
        return description
    return " ".join(sentence for sentence in kept if sentence) or description


def _plain(sentence: str) -> str:
    rest = strip_lead_in(sentence)
    if not rest:
        return sentence if rest is None else ""
    # "iOS" keeps its small letter.
    first = rest[0] if rest[1:2].isupper() else rest[0].upper()
    return f"{first}{rest[1:]}{'.' if sentence.endswith('.') else ''}"


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
