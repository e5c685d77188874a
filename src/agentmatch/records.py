"""Turn agents into plain JSON values and back."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from agentmatch.types import Agent

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
