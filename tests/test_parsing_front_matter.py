"""Front matter, sound and broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentmatch.parsing.front_matter import FrontMatter, split_front_matter
from agentmatch.parsing.safe_yaml import YamlError, read_yaml

PATH = Path("a.md")


def split(text: str) -> FrontMatter:
    return split_front_matter(text, PATH)


def codes(found: FrontMatter) -> list[tuple[str, int | None]]:
    return [(problem.code, problem.line) for problem in found.problems]


def test_sound_front_matter() -> None:
    found = split("---\nname: a\ndescription: >\n  one\n  two\n---\n\nBody\n")
    assert found.values == {"name": "a", "description": "one two"}
    assert (found.body, found.body_line, found.problems) == ("\nBody\n", 7, ())
    assert found.lines == {"name": 2, "description": 3}


@pytest.mark.parametrize(
    ("inner", "values", "line"),
    [
        (
            "name: a\ndescription: Use it. Triggers on: 'b', 'c'",
            {"name": "a", "description": "Use it. Triggers on: 'b', 'c'"},
            3,
        ),
        ('name: a\ndescription: "never closed', {"name": "a", "description": "never closed"}, None),
        ("name: a\n\tdescription: b", {"name": "a\ndescription: b"}, 3),
        ("name: a\ntools:\n\t- x\n\t- y", {"name": "a", "tools": ["x", "y"]}, 4),
        ("name: a\ndescription: @b", {"name": "a", "description": "@b"}, 3),
        ("name: a\ndescription: b\n  c: d: e", {"name": "a", "description": "b\nc: d: e"}, None),
        ("name:a\ndescription:b", {"name": "a", "description": "b"}, 2),
        ("name: a\ndescription: [b", {"name": "a", "description": "[b"}, None),
        ("name: &x a\ndescription: *y", {"name": "a", "description": "*y"}, 3),
    ],
)
def test_broken_yaml_is_read_key_by_key(
    inner: str, values: dict[str, Any], line: int | None
) -> None:
    found = split(f"---\n{inner}\n---\nBody")
    assert found.values == values
    assert found.body == "Body"
    assert found.problems[0].code in ("invalid-yaml", "front-matter-not-a-mapping")
    assert found.problems[0].severity == "warning"
    assert found.problems[0].path == PATH
    if line is not None:
        assert found.problems[0].line == line


def test_duplicate_keys_are_reported_and_the_last_counts() -> None:
    found = split("---\nname: a\nmodel: x\nname: b\n---\n")
    assert found.values == {"name": "b", "model": "x"}
    assert codes(found) == [("duplicate-key", 4)]


def test_unclosed_front_matter() -> None:
    found = split("---\nname: a\ndescription: b\ntools:\n- x\n\n# Title\n\ntext: no key\n")
    assert found.values == {"name": "a", "description": "b", "tools": ["x"]}
    assert found.body == "\n# Title\n\ntext: no key\n"
    assert found.body_line == 6
    assert codes(found) == [("unclosed-front-matter", 1)]


def test_rules_around_prose_are_no_front_matter() -> None:
    text = "---\nJust prose.\n\n---\nMore.\n"
    found = split(text)
    assert (found.present, found.body, found.problems) == (False, text, ())


def test_a_list_is_no_front_matter() -> None:
    found = split("---\n- a\n- b\n---\nBody")
    assert (found.values, found.body) == ({}, "Body")
    assert codes(found) == [("front-matter-not-a-mapping", 1)]


def test_empty_lines_before_front_matter_count() -> None:
    found = split("\n\n---\nname: a\n...\nBody")
    assert (found.values, found.body, found.body_line) == ({"name": "a"}, "Body", 6)
    assert found.lines == {"name": 4}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2024-01-31", {"a": "2024-01-31"}),
        ("a: 2024-13-45", {"a": "2024-13-45"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 007", {"a": 7}),
        ("a: .inf", {"a": ".inf"}),
        ("a: ~\nb:", {"a": None, "b": None}),
        ("2: two\ntrue: yes", {"2": "two", "True": True}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("a: !!set {x, y}", {"a": ["x", "y"]}),
        ("a: !!binary aGk=", {"a": "hi"}),
        ("", None),
    ],
)
def test_yaml_becomes_plain_json_values(text: str, value: object) -> None:
    assert read_yaml(text)[0] == value


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: &a [*a]",
        "a: " + "[" * 5000,
        "a: " + "[" * 300 + "]" * 300,
        "a: " + "x" * 300_000,
        "a: b: c",
        "a: !!python/object/apply:os.system ['true']",
        "? {a: b}\n: c",
        "a: !!int x",
        "a: !!timestamp 2024-99-99",
        "a: \0",
        "--- a\n--- b",
    ],
)
def test_hostile_yaml_raises_one_error(text: str) -> None:
    with pytest.raises(YamlError):
        read_yaml(text)


def test_an_alias_bomb_costs_only_its_own_key() -> None:
    found = split(f"---\nname: n\ndescription: d\n{BOMB}---\nBody")
    assert (found.values["name"], found.values["description"]) == ("n", "d")
    assert found.problems[0].code == "invalid-yaml"


def test_yaml_that_counts_other_line_ends_names_the_line_of_the_file() -> None:
    text = "---\nname: a\u2028\u2028\ncolor: red\ncolor: blue\n---\nBody"
    assert [problem.line for problem in split_front_matter(text).problems] == [4]
    broken = "---\nname: a\u2028\u2028\ntools: [a\n---\nBody"
    (problem, *_) = split_front_matter(broken).problems
    assert problem.line is not None and 2 <= problem.line <= 4
