"""Loading catalogues from the disk."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from agentmatch.catalogue import (
    builtin_folder,
    candidate_files,
    decode,
    find_line,
    load_catalogue,
    unique_agents,
)
from agentmatch.errors import AgentFileError, CatalogueError, DuplicateAgentError, NoAgentsError
from agentmatch.parsing.boilerplate import strip_boilerplate
from agentmatch.types import Agent, Catalogue


def agent_text(name: str, description: str = "Does something useful.", body: str = "") -> str:
    return f"---\nname: {name}\ndescription: {description}\n---\n{body}"


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def names(catalogue: Catalogue) -> list[str]:
    return [agent.name for agent in catalogue]


def codes(catalogue: Catalogue) -> list[tuple[str, str]]:
    return [
        (problem.code, problem.path.name if problem.path else "") for problem in catalogue.problems
    ]


def test_folder_is_walked(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "b/two.md": agent_text("two"),
            "one.md": agent_text("one"),
            ".claude/agents/three.MD": agent_text("three"),
            ".git/four.md": agent_text("four"),
            "node_modules/x/five.md": agent_text("five"),
            "six.txt": agent_text("six"),
            "._one.md": b"\x00\x05",
            "README.md": "# Read me",
        },
    )
    catalogue = load_catalogue(tmp_path)
    assert names(catalogue) == ["one", "three", "two"]
    assert [agent.path for agent in catalogue] == [
        tmp_path / "one.md",
        tmp_path / ".claude/agents/three.MD",
        tmp_path / "b/two.md",
    ]
    assert codes(catalogue) == [("not-an-agent", "README.md")]
    assert catalogue.problems[0].severity == "note"
    assert catalogue.path == tmp_path


def test_candidate_files_are_sorted_by_relative_path(tmp_path: Path) -> None:
    write(tmp_path, {"b.md": "", "a/z.md": "", "a-b/c.md": "", "agents.jsonl": ""})
    found = [name for name, _ in candidate_files(tmp_path)]
    assert found == ["a-b/c.md", "a/z.md", "agents.jsonl", "b.md"]


def test_single_files(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": agent_text("a"), "list.jsonl": '{"id": "b"}\n{"id": "c"}\n'})
    assert names(load_catalogue(tmp_path / "a.md")) == ["a"]
    assert names(load_catalogue(str(tmp_path / "list.jsonl"))) == ["b", "c"]


def test_agents_jsonl_of_a_folder_is_read_and_other_lines_are_not(tmp_path: Path) -> None:
    write(tmp_path, {"agents.jsonl": '{"id": "b"}\n', "test.jsonl": '{"id": "request"}\n'})
    assert names(load_catalogue(tmp_path)) == ["b"]


def test_skill_folders(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "fold-maps/SKILL.md": "---\ndescription: Folds maps well.\n---\n",
            "fold-maps/FORMS.md": agent_text("forms"),
            "fold-maps/references/paper.md": agent_text("paper"),
            "fold-maps/more/cut/SKILL.md": agent_text("cut"),
            "other.md": agent_text("other"),
        },
    )
    catalogue = load_catalogue(tmp_path)
    assert names(catalogue) == ["cut", "fold-maps", "other"]
    assert codes(catalogue) == [
        ("part-of-a-skill", "FORMS.md"),
        ("missing-name", "SKILL.md"),
        ("part-of-a-skill", "paper.md"),
    ]


def test_duplicate_names_are_kept_and_reported(tmp_path: Path) -> None:
    write(tmp_path, {"x/a.md": agent_text("a", "First."), "y/a.md": agent_text("a", "Second.")})
    catalogue = load_catalogue(tmp_path)
    assert [agent.description for agent in catalogue] == ["First.", "Second."]
    (problem,) = catalogue.problems
    assert (problem.severity, problem.code) == ("error", "duplicate-name")
    assert str(tmp_path / "x/a.md") in problem.message
    assert str(tmp_path / "y/a.md") in problem.message
    assert [agent.description for agent in unique_agents(catalogue)] == ["First."]
    with pytest.raises(DuplicateAgentError) as raised:
        load_catalogue(tmp_path, strict=True)
    assert raised.value.name == "a"
    assert raised.value.paths == (tmp_path / "x/a.md", tmp_path / "y/a.md")


def test_one_bad_file_never_costs_the_others(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "good.md": agent_text("good"),
            "latin.md": agent_text("latin").encode() + "\ncaf\xe9".encode("latin-1"),
            "utf16.md": agent_text("utf16").encode("utf-16"),
            "bom.md": b"\xef\xbb\xbf" + agent_text("bom").replace("\n", "\r\n").encode(),
            "colon.md": agent_text("colon", "Use it: now: please"),
            "agents.jsonl": '{"id": "line"}\n{"id":\n',
        },
    )
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
    catalogue = load_catalogue(tmp_path)
    assert names(catalogue) == ["bom", "colon", "good", "latin", "line", "utf16"]
    assert [(problem.severity, problem.code, problem.line) for problem in catalogue.problems] == [
        ("error", "invalid-json", 2),
        ("warning", "invalid-yaml", 3),
        ("error", "unreadable-file", None),
        ("warning", "invalid-encoding", 6 - 0),
    ]
    with pytest.raises(AgentFileError):
        load_catalogue(tmp_path, strict=True)


def test_links_that_lead_back_are_not_followed_for_ever(tmp_path: Path) -> None:
    write(tmp_path, {"a/one.md": agent_text("one")})
    (tmp_path / "a" / "back").symlink_to(tmp_path, target_is_directory=True)
    assert names(load_catalogue(tmp_path)) == ["one"]


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, {"one.md": agent_text("one")})
    os.mkfifo(tmp_path / "pipe.md")
    catalogue = load_catalogue(tmp_path)
    assert codes(catalogue) == [("unreadable-file", "pipe.md")]


@pytest.mark.parametrize("path", ["nowhere", "x" * 5000, "a\0b"])
def test_missing_paths(tmp_path: Path, path: str) -> None:
    with pytest.raises(CatalogueError, match="no such file or folder"):
        load_catalogue(tmp_path / path)


def test_nothing_found_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(NoAgentsError, match=r"SKILL\.md.*agents\.jsonl"):
        load_catalogue(tmp_path)
    write(tmp_path, {"README.md": "# Read me"})
    with pytest.raises(NoAgentsError, match="is the name of a document"):
        load_catalogue(tmp_path)
    with pytest.raises(NoAgentsError, match="is the name of a document"):
        load_catalogue(tmp_path / "README.md")


def test_the_order_of_creation_changes_nothing(tmp_path: Path) -> None:
    files = {f"{letter}/{letter}{number}.md": agent_text(f"{letter}{number}")
             for letter in "abc" for number in range(4)}  # fmt: skip
    shuffled = list(files.items())
    random.Random(3).shuffle(shuffled)
    first = load_catalogue(write(tmp_path / "first", dict(files)))
    second = load_catalogue(write(tmp_path / "second", dict(shuffled)))
    assert names(first) == names(second)


def test_decode_names_the_line_of_the_first_bad_byte() -> None:
    text, problems = decode(b"a\r\nb\xff\rc")
    assert text == "a\nb\ufffd\nc"
    assert problems[0].line == 2
    assert decode(b"\xef\xbb\xbfa") == ("a", ())


def test_find_line(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(agent_text("a", body="## Example Tasks\n- 'Go'\n"), encoding="utf-8")
    agent = load_catalogue(path).agents[0]
    assert find_line(agent, "Go") == 6
    assert find_line(agent, "Stop") is None
    assert find_line(Agent("x"), "Go") is None
    path.unlink()
    assert find_line(agent, "Go") is None


def test_builtin_stands_for_a_folder() -> None:
    assert builtin_folder().name in ("agents", "builtin_agents")


# Boilerplate


def agents_with(line: str, count: int, total: int) -> list[Agent]:
    return [
        Agent(
            f"agent-{number}",
            description=f"Paints wall number {number}.",
            capabilities=(f"Colour {number} of the town hall", *([line] if number < count else [])),
        )
        for number in range(total)
    ]


def test_lines_that_many_agents_share_go() -> None:
    line = "Always report back to the coordinator"
    stripped = strip_boilerplate(agents_with(line, 4, 80))
    assert stripped[0].capabilities == ("Colour 0 of the town hall",)


@pytest.mark.parametrize(
    ("line", "count", "total"),
    [
        ("Always report back to the coordinator", 3, 10),
        ("Always report back to the coordinator", 4, 100),
        ("Error handling", 10, 10),
    ],
)
def test_rare_and_short_lines_stay(line: str, count: int, total: int) -> None:
    agents = agents_with(line, count, total)
    assert strip_boilerplate(agents) == tuple(agents)


def test_copies_of_one_name_are_no_majority() -> None:
    agents = [Agent("same", capabilities=("Paints every wall of the town",))] * 9
    assert strip_boilerplate(agents) == tuple(agents)


@pytest.mark.parametrize(
    ("description", "plain"),
    [
        ("Tunes. Use PROACTIVELY for slow queries.", "Tunes. Slow queries."),
        ("Tunes. MUST BE USED.", "Tunes."),
        ("Use this agent when building iOS apps", "Building iOS apps"),
        ("Use PROACTIVELY.", "Use PROACTIVELY."),
        ("Tunes databases.", "Tunes databases."),
    ],
)
def test_stock_phrases_leave_descriptions(description: str, plain: str) -> None:
    assert strip_boilerplate([Agent("a", description=description)])[0].description == plain


def test_shared_sentences_leave_descriptions_but_never_all() -> None:
    shared = "Invoked by the big boss only."
    agents = [Agent(f"a{n}", description=f"Paints house {n}. {shared}") for n in range(5)]
    agents += [Agent(f"b{n}", description=shared) for n in range(2)]
    stripped = strip_boilerplate(agents)
    assert stripped[1].description == "Paints house 1."
    assert stripped[5].description == shared


def test_only_huge_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentmatch.catalogue.MAX_FILE_BYTES", 200)
    write(
        tmp_path,
        {
            "one.md": agent_text("one"),
            "two.md": agent_text("two", body="word " * 100),
            "agents.jsonl": '{"id": "three", "description": "' + "word " * 100 + '"}',
        },
    )
    catalogue = load_catalogue(tmp_path)
    assert names(catalogue) == ["one", "three"]
    assert codes(catalogue) == [("file-too-large", "two.md")]
    monkeypatch.setattr("agentmatch.catalogue.MAX_LINES_BYTES", 200)
    assert names(load_catalogue(tmp_path)) == ["one"]
