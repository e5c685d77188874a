"""Collect the blocks of a Markdown body into the fields of an agent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from agentmatch.parsing import headings
from agentmatch.parsing.blocks import LABEL_LEVEL, Block, is_label
from agentmatch.parsing.dialogues import is_speaker, is_user_turn, requests_in_lines
from agentmatch.parsing.headings import field_of
from agentmatch.parsing.plain_text import collapse

NESTED_FIELDS = frozenset(
    {
        headings.WHEN_TO_USE,
        headings.EXAMPLE_TASKS,
        headings.CAPABILITIES,
        headings.EXPERTISE,
        headings.NOT_FOR,
        headings.OTHER,
    }
)
"""Fields that a heading may stand for anywhere in the file.

"Overview", "Process" or "Metrics" below "Reporting" is about reports, not the agent.
"""

TOPIC_WORDS = 10
"""A list of topics has at most this many words an item on average; longer items are
instructions."""

MIN_TOPIC_ITEMS = 3
"""A list with fewer items is no list of topics."""


MIN_SENTENCE_WORDS = 8
"""An opening paragraph with fewer words and without a full stop is no sentence."""

_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？")

_COMMANDS = (
    "never ", "always ", "do not ", "don't ", "must ", "you must ", "only ", "ensure ", "if ",
)  # fmt: skip
"""How the items of a list begin that gives orders and lists no topics."""

_SHOWN_BY_CODE = (headings.CAPABILITIES, headings.EXPERTISE)
"""Fields of which a deeper heading is a line where only code stands below it."""

_ROLE_WORDS = frozenset(
    {"role", "your role", "identity", "role definition", "角色", "角色定位", "身份定位"}
)


@dataclass(slots=True)
class Sections:
    """Hold what the body of an agent file says, field by field.

    Attributes:
        title: The text of the title heading, or "".
        title_line: The line of the title, or None.
        opening: Paragraphs before the first heading that is not the title.
        fields: The lines of each field that `headings.field_of` names.
        topics: Under headings that stand for no field, one line for every list of
            short items ("Caching: Redis; Memcached").
        found: Every field that some heading stands for, even an empty one.
        has_role: Whether a heading is "Role" or "Identity", which only agents have.
    """

    title: str = ""
    title_line: int | None = None
    opening: list[str] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)
    topics: list[str] = field(default_factory=list)
    found: set[str] = field(default_factory=set)
    has_role: bool = False


@dataclass(slots=True)
class _Part:
    """Hold the blocks below one heading, and the field that they belong to."""

    heading: str
    meaning: str | None
    blocks: list[Block] = field(default_factory=list)


def read_sections(blocks: Sequence[Block]) -> Sections:
    """Collect blocks into fields.

    A deeper heading that stands for no field of its own ("### Databases") belongs to
    the section around it, and so does a label. A heading that is known to be about
    something else ("Integration with other agents") keeps all below it out.

    Args:
        blocks: What `read_blocks` gave.

    Returns:
        The sections.
    """
    sections = Sections()
    parts = _parts(blocks, sections)
    _read_opening(parts[0], sections)
    for part in parts[1:]:
        if part.meaning is None:
            sections.topics.extend(_topic(part))
            continue
        sections.found.add(part.meaning)
        sections.has_role |= headings.normalise_heading(part.heading) in _ROLE_WORDS
        if part.meaning != headings.OTHER:
            lines = sections.fields.setdefault(part.meaning, [])
            lines.extend(_lines(part))
    return sections


def _parts(blocks: Sequence[Block], sections: Sections) -> list[_Part]:
    """Cut the blocks at their headings; the first part stands before every heading."""
    parts = [_Part("", None)]
    enclosing: list[tuple[int, str | None]] = []
    for block in blocks:
        if parts[-1].meaning == headings.EXAMPLE_TASKS:
            block = _turn(block)
        if block.kind == "item" and enclosing and enclosing[-1][0] >= LABEL_LEVEL + block.level:
            # The items below "- **Use for**:" have ended.
            while enclosing and enclosing[-1][0] >= LABEL_LEVEL + block.level:
                enclosing.pop()
            parts.append(_Part("", enclosing[-1][1] if enclosing else None))
        level = _heading_level(block)
        if level is None:
            parts[-1].blocks.append(block)
            continue
        if level == 1 and not sections.title and len(parts) == 1 and _is_title(block.text):
            sections.title, sections.title_line = block.text, block.line
            continue
        while enclosing and enclosing[-1][0] >= level:
            enclosing.pop()
        found = _field_below(block, enclosing)
        enclosing.append((level, found))
        parts.append(_Part(block.text, found))
    return parts


def _is_title(heading: str) -> bool:
    """Tell whether the first heading names the agent, rather than a part of the file."""
    meaning = field_of(heading)
    if meaning != headings.OTHER:
        return meaning is None
    # "# chooser: React vs Vue" is not about other agents.
    name, _ = headings.split_title(heading)
    return bool(name) and field_of(name) is None


def _heading_level(block: Block) -> int | None:
    """Return the level of a block that serves as a heading, or None.

    A list item such as "- **Use for**:" does where its words are known: a list may hold
    what the agent is for and what it is not for.
    """
    if block.kind in ("heading", "label"):
        return block.level
    if block.kind == "item" and is_label(block.text) and field_of(block.text) is not None:
        return LABEL_LEVEL + block.level
    return None


def _turn(block: Block) -> Block:
    """Read "**User:**" and '### User: "Go"' of an example section as what is said."""
    if block.kind == "label" and is_speaker(block.text):
        return replace(block, kind="paragraph", text=f"{block.text.rstrip(' :：')}:")
    if block.kind == "heading" and is_user_turn(block.text):
        return replace(block, kind="paragraph")
    return block


def _field_below(block: Block, enclosing: Sequence[tuple[int, str | None]]) -> str | None:
    outer = enclosing[-1][1] if enclosing else None
    # What stands below "Output format" or "Delegation" describes those, whatever it is
    # called. A label (level 7) encloses nothing: the next label or heading ends it.
    if outer in (headings.OTHER, headings.NOT_FOR):
        return outer
    own = field_of(block.text)
    if own is None:
        return outer
    if own in NESTED_FIELDS or not enclosing:
        return own
    # Under a section that stands for a field, or for nothing, a vague word is a detail.
    return outer


def _read_opening(part: _Part, sections: Sections) -> None:
    # "Core rules" without a colon is a heading whose author forgot the mark.
    sections.opening = [
        collapse(block.text)
        for block in part.blocks
        if block.kind in ("paragraph", "quote")
        and (len(block.text.split()) >= MIN_SENTENCE_WORDS or block.text.endswith(_SENTENCE_ENDS))
    ]


def _lines(part: _Part) -> list[str]:
    """Return the lines of one part as its field wants them."""
    if part.meaning == headings.EXAMPLE_TASKS:
        return requests_in_lines((block.kind, block.text, block.level) for block in part.blocks)
    lines = [
        collapse(block.text)
        for block in part.blocks
        # "Use this agent for:" above a list is said by the heading already.
        if block.kind != "code" and block.text and not _introduces(block)
    ]
    if not lines and part.blocks and part.meaning in _SHOWN_BY_CODE and not field_of(part.heading):
        # "### Composition API" above nothing but code says it by itself.
        lines = [part.heading]
    return lines


def _introduces(block: Block) -> bool:
    return block.kind == "paragraph" and block.text.endswith((":", "："))


def _topic(part: _Part) -> list[str]:
    items = [collapse(block.text) for block in part.blocks if block.kind == "item"]
    if len(items) < MIN_TOPIC_ITEMS or _mean_words(items) > TOPIC_WORDS:
        return []
    if any(item.casefold().startswith(_COMMANDS) for item in items):
        return []
    name = part.heading.rstrip(" :：")
    return [f"{name}: " + "; ".join(item.rstrip(".;") for item in items)]


def _mean_words(lines: Iterable[str]) -> float:
    counts = [len(line.split()) for line in lines]
    return sum(counts) / max(1, len(counts))
