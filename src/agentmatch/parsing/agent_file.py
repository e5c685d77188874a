"""Read one Markdown file into one agent: front matter, sections and dialogues together."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agentmatch.errors import AgentFileError
from agentmatch.parsing import bmad, headings
from agentmatch.parsing.blocks import read_blocks
from agentmatch.parsing.descriptions import is_negative, read_description, strip_lead_in
from agentmatch.parsing.dialogues import blank_dialogues, take_dialogues, unescape_newlines
from agentmatch.parsing.front_matter import FrontMatter, split_front_matter
from agentmatch.parsing.headings import IDENTIFIER, split_title
from agentmatch.parsing.plain_text import collapse, strip_quotes
from agentmatch.parsing.recognition import bare_name, is_skill, why_no_agent
from agentmatch.parsing.sections import Sections, read_sections
from agentmatch.types import Agent, Problem

MAX_FILE_CHARACTERS = 2_000_000
"""Only this much of a file is read; the longest agent file met has 90,000 characters."""

OPENING_PARAGRAPHS = 3
"""How many paragraphs below the title are taken to say what the agent's role is."""

_FIELD_KEYS = {
    "name", "title", "display_name", "displayname", "description", "tools", "allowed-tools",
    "model", "category", "categories", "division", "tags", "keywords", "type", "capabilities",
    "expertise", "specialization", "specializations", "when_to_use", "when-to-use", "whentouse",
    "use_cases", "triggers", "example_tasks", "examples", "auto_activate", "purpose", "role",
}  # fmt: skip
"""Front-matter keys, in lower case, that have a field; all others are metadata."""


def parse_agent(text: str, *, path: Path | None = None) -> Agent:
    r"""Read the text of one agent file.

    Args:
        text: The file's text.
        path: Where it stands; its name is the agent's where the text has none.

    Returns:
        The agent.

    Raises:
        AgentFileError: The text is no agent.

    Example:
        >>> agent = parse_agent("# dba: Database Expert\n## When to Use\n- Slow queries")
        >>> agent.name, agent.title, agent.when_to_use
        ('dba', 'Database Expert', ('Slow queries',))
    """
    agent, problems = parse_agent_file(text, path=path)
    if agent is None:
        first = problems[0]
        raise AgentFileError(path or "<text>", first.message, first.line)
    return agent


def parse_agent_file(
    text: str, *, path: Path | None = None
) -> tuple[Agent | None, tuple[Problem, ...]]:
    """Read the text of one Markdown file, and say what is wrong with it.

    Args:
        text: The file's text.
        path: Where it stands.

    Returns:
        The agent, or None where the file is none, and the problems: at least one
        where there is no agent.
    """
    text, problems = _clean(text, path)
    front = split_front_matter(text, path)
    problems += front.problems
    body, requests = blank_dialogues(front.body)
    blocks = read_blocks(body, front.body_line)
    sections = read_sections(blocks)
    definition = bmad.find_definition(blocks) if "agent:" in body else None
    if definition is None:
        reason = why_no_agent(path, front.values if front.present else None, sections, body)
        if reason is not None:
            problems.append(Problem("note", "not-an-agent", f"left out: {reason}", path))
            # The reason comes first: it is what parse_agent raises.
            return None, (problems[-1], *problems[:-1])
        draft = _Draft(front, sections, requests)
    else:
        draft = _bmad_draft(definition, front, sections, requests)
        if definition.recovered is not None:
            problem, line = definition.recovered
            problems.append(
                Problem(
                    "warning",
                    "invalid-yaml",
                    f"the agent's YAML block is not valid ({collapse(problem)}); "
                    "the keys that could be read were",
                    path,
                    line,
                )
            )
    name = _name(draft, path, front, sections, problems)
    if name is None:
        message = "no name: neither front matter, heading nor file name gives one"
        return None, (Problem("error", "missing-name", message, path), *problems)
    return draft.agent(name, path, problems), tuple(problems)


def _clean(text: str, path: Path | None) -> tuple[str, list[Problem]]:
    """Normalise line ends, and take out what no author typed."""
    problems: list[Problem] = []
    if len(text) > MAX_FILE_CHARACTERS:
        message = f"longer than {MAX_FILE_CHARACTERS} characters; the rest was not read"
        problems.append(Problem("warning", "file-too-long", message, path))
        text = text[:MAX_FILE_CHARACTERS]
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\0", ""), problems


class _Draft:
    """Gather the fields of an agent from front matter and body."""

    def __init__(self, front: FrontMatter, sections: Sections, requests: Iterable[str]) -> None:
        self.front = front
        self.sections = sections
        self.values = {key.casefold(): value for key, value in front.values.items()}
        self.title = ""
        self.lines: dict[str, list[str]] = {
            name: [collapse(line) for line in found] for name, found in sections.fields.items()
        }
        self.metadata: dict[str, Any] = {
            key: value for key, value in front.values.items() if key.casefold() not in _FIELD_KEYS
        }
        self.description = ""
        self._requests = list(requests)
        self._read_description()
        self._read_front_matter()
        self._read_opening()

    def add(self, name: str, lines: Iterable[str], *, first: bool = False) -> None:
        """Add lines to a field, before those that the body gave where `first` is set."""
        found = self.lines.setdefault(name, [])
        cleaned = [line for line in (collapse(line) for line in lines) if line]
        found[:] = [*cleaned, *found] if first else [*found, *cleaned]

    def _read_description(self) -> None:
        text = _text(self.values.get("description"))
        section = " ".join(self.lines.pop(headings.DESCRIPTION, []))
        if not text:
            text = section
        elif section:
            self.add(headings.PURPOSE, [section], first=True)
        prose, requests = take_dialogues(unescape_newlines(text))
        parts = read_description(prose)
        self.description = collapse(parts.text)
        self.add(headings.WHEN_TO_USE, parts.when_to_use, first=True)
        self.add(headings.NOT_FOR, parts.not_for, first=True)
        self.add(headings.TAGS, parts.triggers)
        self.add(headings.EXAMPLE_TASKS, [*requests, *self._requests], first=True)

    def _read_front_matter(self) -> None:
        values = self.values
        self.title = _text(
            values.get("title") or values.get("display_name") or values.get("displayname")
        )
        for field, keys in _LISTS.items():
            for key in keys:
                self.add(field, _items(values.get(key), commas=field == headings.TAGS))
        activation = values.get("auto_activate")
        if isinstance(activation, Mapping):
            self.add(headings.TAGS, _items(activation.get("keywords"), commas=True))
            self.add(headings.WHEN_TO_USE, _items(activation.get("conditions")))
        for example in _entries(values.get("examples")):
            if isinstance(example, Mapping):
                found = next((example[key] for key in _REQUEST_KEYS if example.get(key)), None)
                self.add(headings.EXAMPLE_TASKS, [strip_quotes(_text(found))])
            else:
                self.add(headings.EXAMPLE_TASKS, [strip_quotes(_text(example))])

    def _read_opening(self) -> None:
        opening = [collapse(line) for line in self.sections.opening[:OPENING_PARAGRAPHS]]
        self.add(headings.PURPOSE, opening, first=True)
        if not (self.lines.get(headings.CAPABILITIES) or self.lines.get(headings.EXPERTISE)):
            # Nothing else says what it can do: lists of topics do, under any heading.
            self.add(headings.EXPERTISE, self.sections.topics)

    def agent(self, name: str, path: Path | None, problems: list[Problem]) -> Agent:
        """Build the agent from what was gathered."""
        purpose = self._take(headings.PURPOSE)
        description = self.description
        if not description and purpose:
            description, purpose = purpose[0], purpose[1:]
            message = "no description; the first paragraph of the text is used instead"
            problems.append(Problem("warning", "missing-description", message, path, 1))
        when, refused = _split_negative(self.lines.get(headings.WHEN_TO_USE, []))
        not_for = _unique([*self._take(headings.NOT_FOR), *refused])
        metadata = dict(self.metadata)
        if not_for:
            metadata["not_for"] = list(not_for)
        return Agent(
            name=name,
            title=self.title,
            description=description,
            when_to_use=tuple(_without_lead_ins(when)),
            example_tasks=self._take(headings.EXAMPLE_TASKS),
            capabilities=self._take(headings.CAPABILITIES),
            expertise=self._take(headings.EXPERTISE),
            purpose=purpose,
            workflow=self._take(headings.WORKFLOW),
            best_practices=self._take(headings.BEST_PRACTICES),
            success_metrics=self._take(headings.SUCCESS_METRICS),
            tags=self._take(headings.TAGS),
            tools=self._tools(),
            model=_text(self.values.get("model")),
            metadata=metadata,
            path=path,
            body=self.front.body,
        )

    def _take(self, name: str) -> tuple[str, ...]:
        return _unique(line.lstrip(_MARKS) for line in self.lines.get(name, []))

    def _tools(self) -> tuple[str, ...]:
        listed = self.values.get("tools", self.values.get("allowed-tools"))
        if listed is not None:
            return _unique(_items(listed, commas=True))
        found = self.lines.get(headings.TOOLS, [])
        # "## Tools" of an agent without front matter lists names; elsewhere it may explain.
        named = all(IDENTIFIER.fullmatch(line) for line in found)
        return _unique(found) if named and not self.front.present else ()


_REFUSALS = ("❌", "🚫", "⛔", "✗", "✘", "✖")
"""Signs before a line that say no."""

_MARKS = "".join((*_REFUSALS, "✅", "✔", "✓", "☑", "➡", "•", "\ufe0f", " "))
"""Signs before a line that are no part of it."""

_LISTS = {
    headings.WHEN_TO_USE: ("when_to_use", "when-to-use", "whentouse", "use_cases", "triggers"),
    headings.EXAMPLE_TASKS: ("example_tasks",),
    headings.CAPABILITIES: ("capabilities",),
    headings.EXPERTISE: ("expertise", "specialization", "specializations"),
    headings.PURPOSE: ("purpose", "role"),
    headings.TAGS: ("category", "categories", "division", "tags", "keywords", "type"),
}
"""Front-matter keys by the field to which they add lines."""

_REQUEST_KEYS = ("trigger", "user", "request", "prompt", "query", "task", "input")
"""Keys of a structured example that hold the user's words."""


def _bmad_draft(
    definition: bmad.Definition,
    front: FrontMatter,
    sections: Sections,
    requests: Iterable[str],
) -> _Draft:
    # All that stands around the block tells the model how to behave, not what it is for.
    draft = _Draft(front, Sections(title=sections.title), requests)
    draft.title = draft.title or definition.title
    draft.description = draft.description or definition.description
    when = read_description(definition.when_to_use)
    draft.add(headings.WHEN_TO_USE, when.when_to_use or [when.text])
    draft.add(headings.NOT_FOR, when.not_for)
    draft.add(headings.PURPOSE, definition.purpose)
    draft.add(headings.CAPABILITIES, definition.capabilities)
    draft.add(headings.BEST_PRACTICES, definition.best_practices)
    draft.metadata.update(definition.metadata)
    draft.values.setdefault("name", definition.name)
    return draft


def _name(
    draft: _Draft,
    path: Path | None,
    front: FrontMatter,
    sections: Sections,
    problems: list[Problem],
) -> str | None:
    """Find the agent's name, set its title, and warn where the file gives no name."""
    given = draft.values.get("name")
    # "name: no" is a boolean to YAML and a name to nobody.
    named = isinstance(given, (str, int, float)) and not isinstance(given, bool)
    name = collapse(_printable(str(given))) if named else ""
    heading_name, heading_title = split_title(sections.title)
    title = _without_symbols(heading_title if not name or heading_name == name else sections.title)
    draft.title = draft.title or title
    if name or heading_name:
        return name or heading_name
    fallback = ""
    if path is not None:
        fallback = path.parent.name if is_skill(path) else bare_name(path)
        origin = "its folder" if is_skill(path) and fallback else "the file"
        fallback = fallback or bare_name(path)
    if not fallback:
        fallback = "-".join(headings.normalise_heading(sections.title).split())
        origin = "the title"
    if not fallback:
        return None
    line = front.lines.get("name", 1)
    message = f"no name is given; {fallback!r} was taken from {origin}"
    problems.append(Problem("warning", "missing-name", message, path, line))
    return fallback


def _without_symbols(title: str) -> str:
    """Take emoji and other symbols off both ends of a title."""
    kept = title.strip()
    while kept and unicodedata.category(kept[0]) in ("So", "Sk", "Cf", "Mn"):
        kept = kept[1:].lstrip()
    while kept and unicodedata.category(kept[-1]) in ("So", "Sk", "Cf", "Mn"):
        kept = kept[:-1].rstrip()
    return collapse(kept)


def _printable(text: str) -> str:
    return "".join(" " if unicodedata.category(character)[0] == "C" else character
                   for character in text)  # fmt: skip


def _split_negative(lines: Iterable[str]) -> tuple[list[str], list[str]]:
    kept: list[str] = []
    refused: list[str] = []
    for line in lines:
        bare = line.lstrip(_MARKS)
        (refused if line.startswith(_REFUSALS) or is_negative(bare) else kept).append(bare)
    return kept, refused


def _without_lead_ins(lines: Iterable[str]) -> list[str]:
    """Take "Use this agent when" off every line that goes on after it."""
    stripped = ((line, strip_lead_in(line)) for line in lines)
    return list(_unique(line if rest is None else rest for line, rest in stripped))


def _unique(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for line in lines if line))


def _text(value: Any) -> str:
    """Render a front-matter value as text."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, list):
        return " ".join(_text(entry) for entry in value)
    if isinstance(value, Mapping):
        return " ".join(f"{key}: {_text(entry)}" for key, entry in value.items())
    return str(value).strip()


def _entries(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _items(value: Any, *, commas: bool = False) -> list[str]:
    """List the entries of a front-matter value; a text may list them by commas or lines."""
    items: list[str] = []
    for entry in _entries(value):
        if isinstance(entry, Mapping):
            # {"read": true} enables a tool; other mappings are rendered as "key: value".
            flags = all(isinstance(flag, bool) for flag in entry.values())
            items += [
                str(key) if flags else f"{key}: {_text(entry[key])}"
                for key in entry
                if entry[key] is not False
            ]
        elif commas and isinstance(entry, str):
            items += _split_commas(entry)
        else:
            items += _text(entry).split("\n")
    return [
        item for item in (strip_quotes(item.strip().removeprefix("- ")) for item in items) if item
    ]


def _split_commas(text: str) -> list[str]:
    """Split at commas and lines outside brackets: "Read, Bash(git:*, ls)" has two parts."""
    parts = [""]
    depth = 0
    for character in text.strip("[]") if text.startswith("[") else text:
        depth += (character in "([{") - (character in ")]}")
        if character in ",\n" and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
