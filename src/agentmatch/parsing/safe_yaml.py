"""Read YAML that strangers wrote, as plain JSON values and within bounds.

PyYAML's safe loader runs no code, but it still builds a gigabyte out of ten lines of
nested aliases, keeps the last of two equal keys without a word, and raises a handful of
different exceptions. `read_yaml` has one result and one exception.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from functools import cache
from typing import Any

MAX_YAML_CHARACTERS = 200_000
"""Longer YAML is refused: the longest block seen in 2,390 agent files has 20,000."""

MAX_YAML_VALUES = 20_000
"""YAML that grows to more values than this (by aliases) is refused."""

MAX_YAML_DEPTH = 40
"""YAML nested deeper than this is refused."""


class YamlError(ValueError):
    """Report YAML that cannot be read; `line` is 1-based within the text, or None."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


def read_yaml(text: str) -> tuple[Any, tuple[tuple[str, int], ...]]:
    r"""Read one YAML document.

    Args:
        text: The YAML.

    Returns:
        The document as plain JSON values (dates become ISO strings), and every
        duplicate key with its 1-based line; the last of equal keys wins.

    Raises:
        YamlError: The text is no YAML, or is too large or too deep.

    Example:
        >>> read_yaml("name: dba\ntools: [Read, Bash]")
        ({'name': 'dba', 'tools': ['Read', 'Bash']}, ())
    """
    import yaml

    if len(text) > MAX_YAML_CHARACTERS:
        raise YamlError(f"longer than {MAX_YAML_CHARACTERS} characters")
    try:
        loader = _loader_class()(text)
        try:
            node = loader.get_single_node()
            duplicates: list[tuple[str, int]] = []
            if node is not None:
                _check_size(node, duplicates, text)
            value = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
        return _plain(value), tuple(duplicates)
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else _line(text, mark)
        raise YamlError(error.problem or "not valid YAML", line) from error
    except RecursionError:
        raise YamlError("nested too deeply") from None
    # PyYAML lets the exceptions of its converters through: an impossible date is a
    # ValueError, a mapping as a key a TypeError, an odd tag an AttributeError.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise YamlError(str(error).splitlines()[0] if str(error) else "not valid YAML") from error


@cache
def _loader_class() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Load YAML as the safe loader does, but leave odd times and numbers text."""

    # "12:30" is a time to its author and 750 to YAML 1.1; dates are wanted as text too.
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _PLAIN_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver("tag:yaml.org,2002:int", _pattern(r"[-+]?[0-9]{1,18}"), None)
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", _pattern(r"[-+]?[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?"), None
    )
    return Loader


_PLAIN_TAGS = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


def _pattern(expression: str) -> Any:
    import re

    return re.compile(rf"^(?:{expression})$")


def _line(text: str, mark: Any) -> int:
    """Return the 1-based line of a mark; YAML also ends lines at U+2028 and the like."""
    return 1 + text.count("\n", 0, mark.index)


def _check_size(root: Any, duplicates: list[tuple[str, int]], text: str) -> None:
    """Refuse a node tree that unfolds too far, and collect its duplicate keys."""
    import yaml

    budget = MAX_YAML_VALUES
    seen: set[int] = set()
    stack = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        budget -= 1
        if budget < 0:
            raise YamlError(f"more than {MAX_YAML_VALUES} values")
        if depth > MAX_YAML_DEPTH:
            raise YamlError(f"nested more than {MAX_YAML_DEPTH} deep", _line(text, node.start_mark))
        if isinstance(node, yaml.SequenceNode):
            stack.extend((child, depth + 1) for child in node.value)
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, child in node.value:
                stack += [(key, depth + 1), (child, depth + 1)]
                if isinstance(key, yaml.ScalarNode) and id(node) not in seen:
                    if key.value in keys and key.value != "<<":
                        duplicates.append((key.value, _line(text, key.start_mark)))
                    keys.add(key.value)
            seen.add(id(node))


def _plain(value: Any) -> Any:
    """Turn a YAML value into one that JSON can carry."""
    if isinstance(value, dict):
        return {_key(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, set):
        return sorted(_key(entry) for entry in value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _key(key: Any) -> str:
    plain = _plain(key)
    return plain if isinstance(plain, str) else str(plain)
