"""Read `agents.jsonl`: one agent a line, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agentmatch.parsing.plain_text import collapse
from agentmatch.types import Agent, Problem

_LISTS = {
    "when_to_use": "when_to_use",
    "examples": "example_tasks",
    "example_tasks": "example_tasks",
    "capabilities": "capabilities",
    "expertise": "expertise",
    "purpose": "purpose",
    "workflow": "workflow",
    "best_practices": "best_practices",
    "success_metrics": "success_metrics",
    "tags": "tags",
    "tools": "tools",
}
"""JSON keys by the field of Agent to which they add lines."""

_TEXTS = ("id", "name", "title", "description", "model", "body")


def parse_json_lines(
    text: str, *, path: Path | None = None
) -> tuple[tuple[Agent, ...], tuple[Problem, ...]]:
    """Read agents from JSON lines.

    A line is an object with "id" (the agent's name) and/or "name" (its title, or its
    name where there is no id), "description", and the lists "when_to_use", "examples"
    and "capabilities"; other keys become metadata.

    Args:
        text: The file's text.
        path: Where it stands.

    Returns:
        The agents in their order, and a problem for each line that is none.

    Example:
        >>> agents, _ = parse_json_lines('{"id": "dba", "name": "Database Expert"}')
        >>> agents[0].name, agents[0].title
        ('dba', 'Database Expert')
    """
    agents: list[Agent] = []
    problems: list[Problem] = []
    # Not splitlines: JSON strings may hold U+2028, which is no line end in JSON lines.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "cannot be read"
            problems.append(_error("invalid-json", f"not valid JSON ({reason})", path, number))
            continue
        agent = _agent(value, path, number, problems) if isinstance(value, dict) else None
        if agent is not None:
            agents.append(agent)
        elif not isinstance(value, dict):
            problems.append(_error("invalid-agent", "not a JSON object", path, number))
    return tuple(agents), tuple(problems)


def _agent(
    value: dict[str, Any], path: Path | None, line: int, problems: list[Problem]
) -> Agent | None:
    texts = {key: _text(value.get(key)) for key in _TEXTS}
    name = texts["id"] or texts["name"]
    if not name:
        problems.append(_error("missing-name", 'neither "id" nor "name" names it', path, line))
        return None
    title = texts["title"] or (texts["name"] if texts["id"] else "")
    fields: dict[str, list[str]] = {}
    for key, field in _LISTS.items():
        if (given := value.get(key)) is not None:
            lines = [_text(entry) for entry in (given if isinstance(given, list) else [given])]
            fields.setdefault(field, []).extend(lines)
    return Agent(
        name=collapse(name),
        title=collapse(title),
        description=collapse(texts["description"]),
        model=texts["model"],
        body=texts["body"],
        metadata={
            key: entry for key, entry in value.items() if key not in _LISTS and key not in _TEXTS
        },
        path=path,
        **{field: _unique(lines) for field, lines in fields.items()},
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (Mapping, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value).strip()


def _unique(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(collapse(line) for line in lines if collapse(line)))


def _error(code: str, message: str, path: Path | None, line: int) -> Problem:
    return Problem("error", code, f"{message}; this line was left out", path, line)
