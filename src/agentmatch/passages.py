"""Choose the passages of an agent that are embedded and indexed.

An agent becomes one passage for its name, one for its description, one for its whole
text (as far as the encoder reads), and one for every line that says what it is for.
Lines that tell how it works (workflow, best practices, success metrics) read much the
same in every agent and are left out, as are lines that say what it is *not* for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from agentmatch.types import Agent, Passage

PASSAGE_FORMAT = 1
"""Changes whenever this file makes other passages of the same agent."""

DIGEST_BYTES = 32
"""Bytes of a content hash."""

NAME = "name"
DESCRIPTION = "description"
WHOLE = "whole_text"
EVIDENCE_SECTIONS = (
    DESCRIPTION,
    "when_to_use",
    "example_tasks",
    "capabilities",
    "expertise",
    "purpose",
)
"""The sections of an agent whose passages can be shown as evidence."""

SECTIONS = (NAME, WHOLE, *EVIDENCE_SECTIONS)
"""Every section, in the order in which an agent's passages stand in the index."""

# A negative line is about other agents' work: matching it would reward the wrong one.
_NEGATIVE = re.compile(r"(?:do not|don't|never|not|avoid)\s+(?:use|for|when|to be used)\b", re.I)


def passages_of(agent: Agent) -> tuple[Passage, ...]:
    """List the passages of an agent, name and whole text first.

    Args:
        agent: The agent.

    Returns:
        Non-empty passages without repeats within a section; at least the name and the
        whole text.

    Example:
        >>> [p.section for p in passages_of(Agent(name="dba", when_to_use=("Slow SQL",)))]
        ['name', 'whole_text', 'when_to_use']
    """
    label = display_name(agent)
    evidence = tuple(_evidence(agent))
    whole = "\n".join([label, *(passage.text for passage in evidence)])
    return (Passage(NAME, label), Passage(WHOLE, whole), *evidence)


def _evidence(agent: Agent) -> list[Passage]:
    found: dict[Passage, None] = {}
    for section in EVIDENCE_SECTIONS:
        value = getattr(agent, section)
        for text in (value,) if isinstance(value, str) else value:
            text = text.strip()
            if text and not is_negative(text):
                found.setdefault(Passage(section, text))
    return list(found)


def is_negative(line: str) -> bool:
    """Tell whether a line says when an agent should not be used."""
    return _NEGATIVE.match(line) is not None


def display_name(agent: Agent) -> str:
    """Return the words of an agent's name and title, without repeating them.

    Example:
        >>> display_name(Agent(name="backend-engineer", title="Backend Specialist"))
        'backend engineer: Backend Specialist'
    """
    words = re.sub(r"[-_]+", " ", agent.name).strip() or agent.name
    if not agent.title or _letters(agent.title) == _letters(agent.name):
        return agent.title or words
    return f"{words}: {agent.title}"


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def description_terms(agent: Agent) -> str:
    """Return the text of an agent's name and description, for the lexical index."""
    return f"{display_name(agent)}\n{agent.description}"


def whole_terms(agent: Agent, passages: Sequence[Passage] | None = None) -> str:
    """Return every indexed word of an agent, its tags included, for the lexical index.

    Args:
        agent: The agent.
        passages: Its passages, where they are at hand.
    """
    whole = (passages or passages_of(agent))[1].text
    return "\n".join([whole, *agent.tags])


def content_hash(agent: Agent) -> str:
    """Hash all of an agent that shapes its passages and its lexical text.

    Args:
        agent: The agent.

    Returns:
        64 hexadecimal digits (sha256).
    """
    return content_digest(agent, passages_of(agent)).hex()


def content_digest(agent: Agent, passages: Sequence[Passage]) -> bytes:
    """Return the bytes of `content_hash` for an agent whose passages are at hand."""
    parts = [[passage.section, passage.text] for passage in passages]
    serialised = json.dumps([PASSAGE_FORMAT, parts, list(agent.tags)], ensure_ascii=False)
    return hashlib.sha256(serialised.encode("utf-8", "surrogatepass")).digest()
