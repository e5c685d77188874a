"""agents.jsonl, one agent a line."""

from __future__ import annotations

from pathlib import Path

from agentmatch.parsing import parse_json_lines

LINES = """\
{"id": "weir-keeper", "name": "Weir Keeper", "description": "Runs the weir.", \
"when_to_use": ["High water"], "examples": ["Open gate 2"], "capabilities": ["Gates"], "rank": 3}

{"name": "lock-keeper"}
{broken
["no", "object"]
{"description": "nameless"}
{"id": 7, "examples": "One text", "capabilities": null, "description": ["a"]}
"""


def test_lines_become_agents_and_bad_ones_problems() -> None:
    path = Path("agents.jsonl")
    agents, problems = parse_json_lines("\ufeff" + LINES, path=path)
    weir, lock, seven = agents
    assert (weir.name, weir.title) == ("weir-keeper", "Weir Keeper")
    assert weir.description == "Runs the weir."
    assert weir.when_to_use == ("High water",)
    assert weir.example_tasks == ("Open gate 2",)
    assert weir.capabilities == ("Gates",)
    assert weir.metadata == {"rank": 3}
    assert weir.path == path
    assert (lock.name, lock.title) == ("lock-keeper", "")
    assert (seven.name, seven.example_tasks, seven.capabilities) == ("7", ("One text",), ())
    assert [(problem.severity, problem.code, problem.line) for problem in problems] == [
        ("error", "invalid-json", 4),
        ("error", "invalid-agent", 5),
        ("error", "missing-name", 6),
    ]
    assert all(problem.path == path for problem in problems)


def test_line_separators_inside_strings_end_no_line() -> None:
    agents, problems = parse_json_lines('{"id": "a", "description": "b\u2028c\u0085d"}')
    assert (agents[0].description, problems) == ("b c d", ())
