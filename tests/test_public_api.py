"""The public names, and that they are documented."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

import agentmatch


def test_all_lists_every_public_name() -> None:
    for name in agentmatch.__all__:
        assert getattr(agentmatch, name) is not None
    assert list(agentmatch.__all__) == sorted(agentmatch.__all__) == dir(agentmatch)
    ours = {
        name
        for name, value in vars(agentmatch).items()
        if getattr(value, "__module__", "").startswith("agentmatch") and not name.startswith("_")
    }
    assert ours <= set(agentmatch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        agentmatch.nothing  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(agentmatch.__all__) - {"__version__"}))
def test_public_names_are_documented(name: str) -> None:
    value = getattr(agentmatch, name)
    documentation = inspect.getdoc(value) or ""
    assert documentation.splitlines()[0].endswith((".", "?"))
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            assert f"{field.name}: " in documentation, field.name
    elif inspect.isclass(value) and not issubclass(value, Exception):
        for method_name, method in inspect.getmembers(value, inspect.isfunction):
            if not method_name.startswith("_"):
                described = inspect.getdoc(method) or ""
                for parameter in inspect.signature(method).parameters:
                    if parameter != "self":
                        assert f"{parameter}: " in described, (method_name, parameter)


def test_every_error_has_the_one_root() -> None:
    for name in agentmatch.__all__:
        value = getattr(agentmatch, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            assert issubclass(value, agentmatch.AgentMatchError)


def test_records_are_frozen() -> None:
    agent = agentmatch.Agent("dba")
    with pytest.raises(dataclasses.FrozenInstanceError):
        agent.name = "other"  # type: ignore[misc]
