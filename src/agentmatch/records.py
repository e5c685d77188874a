"""Turn agents into plain JSON values and back."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

from agentmatch.types import Agent

RECORDS_KEPT = 256
"""Agents of a mapped index that are kept once they have been read."""

_FIELDS = tuple(field.name for field in fields(Agent))


def agent_to_json(agent: Agent) -> dict[str, Any]:
    """Return an agent as JSON values: strings, lists and mappings.

    Args:
        agent: The agent.

    Returns:
        One key a field of `Agent`, in its order.
    """
    record: dict[str, Any] = {}
    for name in _FIELDS:
        value = getattr(agent, name)
        if isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Path):
            value = str(value)
        elif name == "metadata":
            value = dict(value)
        record[name] = value
    return record


def agent_from_json(record: dict[str, Any]) -> Agent:
    """Make an agent of what `agent_to_json` returned."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
    }
    path = values.get("path")
    values["path"] = None if path is None else Path(path)
    return Agent(**values)


def write_record(agent: Agent) -> bytes:
    """Return an agent as one line of JSON, in UTF-8."""
    text = json.dumps(agent_to_json(agent), ensure_ascii=False, separators=(",", ":"))
    # Lone surrogates stand for a file's broken bytes; `json.loads` refuses them in bytes.
    return text.encode("utf-8", "surrogatepass")


def read_record(line: bytes) -> Agent:
    """Make an agent of what `write_record` returned."""
    return agent_from_json(json.loads(line.decode("utf-8", "surrogatepass")))


class AgentRecords(Sequence[Agent]):
    """Read agents when they are asked for.

    Equal to any sequence of equal agents.

    Args:
        lines: What `write_record` returned for each agent.
    """

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = lines
        self._read = lru_cache(RECORDS_KEPT)(lambda position: read_record(lines[position]))

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, position: int) -> Agent: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Agent]: ...
    def __getitem__(self, position: int | slice) -> Agent | Sequence[Agent]:
        numbers = range(len(self))[position]
        if isinstance(numbers, range):
            return tuple(self._read(number) for number in numbers)
        return self._read(numbers)

    def __iter__(self) -> Iterator[Agent]:
        return map(read_record, self.lines)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]
