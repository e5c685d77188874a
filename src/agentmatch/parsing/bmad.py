"""Read BMAD agents: a fenced YAML block in a Markdown file says everything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentmatch.parsing.blocks import Block
from agentmatch.parsing.plain_text import collapse
from agentmatch.parsing.safe_yaml import YamlError, read_yaml

HOUSEKEEPING_COMMANDS = frozenset({"help", "exit", "yolo", "doc-out", "status", "kb", "kb-mode"})
"""Commands that every BMAD agent has, and that say nothing about any."""


@dataclass(frozen=True, slots=True)
class Definition:
    """Hold what a BMAD block says, under the names of agentmatch.

    Attributes:
        name: agent.id.
        title: agent.title.
        when_to_use: agent.whenToUse.
        description: persona.role and identity.
        purpose: persona.focus.
        capabilities: One line a command, housekeeping left out.
        best_practices: core_principles.
        metadata: The rest of agent and persona.
        line: The line of the file on which the block starts.
        recovered: The problem and line of YAML that is not valid, or None.
    """

    name: str
    title: str
    when_to_use: str
    description: str
    purpose: tuple[str, ...]
    capabilities: tuple[str, ...]
    best_practices: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    line: int = 1
    recovered: tuple[str, int] | None = None


def find_definition(blocks: Iterable[Block]) -> Definition | None:
    """Read the first fenced YAML block that defines an agent.

    Args:
        blocks: The blocks of the file.

    Returns:
        The definition, or None where no block holds `agent:` with an id, a title or
        a `whenToUse`.
    """
    for block in blocks:
        if block.kind == "code" and block.language in ("yaml", "yml", "") and _mentions(block):
            definition = _read(block)
            if definition is not None:
                return definition
    return None


def _mentions(block: Block) -> bool:
    return any(line.rstrip() == "agent:" for line in block.text.split("\n"))


def _read(block: Block) -> Definition | None:
    values, recovered = _values(block)
    agent = _mapping(values.get("agent"))
    persona = _mapping(values.get("persona"))
    if not any(agent.get(key) for key in ("id", "title", "whenToUse")):
        return None
    principles = persona.pop("core_principles", None) or values.get("core_principles")
    role, identity, focus = (_text(persona.pop(key, None)) for key in ("role", "identity", "focus"))
    definition = Definition(
        name=_text(agent.pop("id", None)),
        title=_text(agent.pop("title", None)),
        when_to_use=_text(agent.pop("whenToUse", None)),
        description=". ".join(line.rstrip(".") for line in (role, identity) if line),
        purpose=(focus,) if focus else (),
        capabilities=tuple(_commands(values.get("commands"))),
        best_practices=tuple(_text(entry) for entry in _sequence(principles)),
        metadata={key: value for key, value in (("agent", agent), ("persona", persona)) if value},
        line=block.line,
        recovered=recovered,
    )
    return definition


def _values(block: Block) -> tuple[dict[str, Any], tuple[str, int] | None]:
    """Read the whole block, or where it is broken, each top-level key by itself."""
    try:
        value, _ = read_yaml(block.text)
        return _mapping(value), None
    except YamlError as error:
        values: dict[str, Any] = {}
        for chunk in re.split(r"\n(?=[A-Za-z_][\w-]*:)", block.text):
            try:
                value, _ = read_yaml(chunk)
            except YamlError:
                continue
            values.update(_mapping(value))
        # The fence itself stands on the block's first line.
        return values, (error.problem, block.line + (error.line or 0))


def _commands(commands: Any) -> Iterable[str]:
    for entry in _sequence(commands):
        if isinstance(entry, Mapping):
            for name, value in entry.items():
                # A nested list is the procedure of the command, not what it does.
                yield from _command(str(name), value if isinstance(value, str) else "")
        else:
            name, _, does = _text(entry).partition(" - ")
            yield from _command(name, does)


def _command(name: str, does: str) -> Iterable[str]:
    # Some files close a command's name with a quotation mark that nothing opened.
    words = name.strip("*`\"' ").split("{")[0].strip()
    if words and words.casefold() not in HOUSEKEEPING_COMMANDS:
        label = collapse(words.replace("-", " ").replace("_", " "))
        yield f"{label}: {collapse(does)}" if collapse(does) else label


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return [{key: entry} for key, entry in value.items()]
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    """Render a scalar, or the one pair of "- Label: text", as text."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "; ".join(collapse(f"{key}: {_text(entry)}") for key, entry in value.items())
    if isinstance(value, list):
        return "; ".join(_text(entry) for entry in value)
    return collapse(str(value))
