"""The linter's pure part."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmatch.checking import check_catalogue, jaccard, near_duplicates, similar_pairs
from agentmatch.types import Agent, Catalogue, Problem


def sound(name: str = "roofer", **changes: object) -> Agent:
    values: dict[str, object] = {
        "description": f"Mends the roofs of {name} houses after a storm.",
        "when_to_use": (f"Slates of {name} slipped",),
        "example_tasks": (f"Patch the {name} ridge",),
        "capabilities": (f"Lead flashing by {name}",),
        "path": Path(f"{name}.md"),
    }
    return Agent(name, **(values | changes))  # type: ignore[arg-type]


def check(*agents: Agent) -> list[tuple[str, str]]:
    problems = check_catalogue(Catalogue(Path("agents"), agents))
    return [(problem.severity, problem.code) for problem in problems]


def test_a_sound_agent_has_no_problems() -> None:
    assert check(sound(), sound("mason")) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"description": ""}, ("error", "no-description")),
        ({"description": "Mends roofs"}, ("warning", "short-description")),
        ({"when_to_use": (), "example_tasks": ()}, ("warning", "no-situations")),
        ({"when_to_use": ()}, ("note", "no-when-to-use")),
        ({"example_tasks": ()}, ("note", "no-example-tasks")),
        ({"capabilities": ()}, ("note", "no-capabilities")),
    ],
)
def test_missing_sections(changes: dict[str, object], expected: tuple[str, str]) -> None:
    assert check(sound(**changes)) == [expected]


def test_chinese_words_are_counted() -> None:
    assert check(sound(description="修补风暴后的屋顶")) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Roof Mender", [("note", "uncallable-name")]),
        ("roofs/mender", [("warning", "uncallable-name")]),
        ("roof\nmender", [("warning", "uncallable-name")]),
        ("r" * 65, [("warning", "long-name")]),
        ("roof_mender.v2", []),
    ],
)
def test_names(name: str, expected: list[tuple[str, str]]) -> None:
    assert check(sound(name, path=Path("a.md"))) == expected


def test_names_that_differ_in_hyphens_only() -> None:
    assert check(sound("roof-mender"), sound("Roof_Mender")) == [("warning", "similar-name")]
    assert ("warning", "similar-name") not in check(sound("c#"), sound("c+"))


def test_loading_problems_come_first_by_path_and_line() -> None:
    reported = Problem("warning", "invalid-yaml", "m", Path("a.md"), 3)
    catalogue = Catalogue(Path("agents"), (sound("zinc", description=""),), (reported,))
    found = check_catalogue(catalogue)
    assert [problem.code for problem in found] == ["invalid-yaml", "no-description"]


TEXT = "Lays slates on steep roofs, fixes gutters, seals chimneys and replaces rotten battens"


def test_near_duplicates_are_reported_once_an_agent() -> None:
    copies = [
        Agent(f"copy-{number}", description=f"{TEXT} number {number}", path=Path(f"{number}.md"),
              when_to_use=("Storm",), example_tasks=(f"Do {number} things",), capabilities=("x",))
        for number in range(3)
    ]  # fmt: skip
    problems = [
        problem
        for problem in check_catalogue(Catalogue(Path("agents"), tuple(copies)))
        if problem.code == "near-duplicate"
    ]
    assert [problem.place for problem in problems] == ["1.md", "2.md"]
    assert "0.md" in problems[0].message
    assert near_duplicates([copies[0], sound(), copies[1]]) == [(0, 2)]


def test_examples_claimed_twice() -> None:
    one = sound("one", example_tasks=("Fix the leaking roof of the barn!",))
    two = sound("two", example_tasks=("Fix our leaking barn roof", "Paint a door"))
    lines = {("one", one.example_tasks[0]): 7, ("two", two.example_tasks[0]): 9}
    catalogue = Catalogue(Path("agents"), (one, two))
    (problem,) = check_catalogue(
        catalogue, find_line=lambda agent, text: lines.get((agent.name, text))
    )
    assert (problem.severity, problem.code, problem.place) == (
        "warning",
        "shared-example",
        "two.md:9",
    )
    assert "one.md:7" in problem.message
    (plain,) = check_catalogue(catalogue)
    assert plain.place == "two.md"


def test_one_agent_may_repeat_its_own_example() -> None:
    assert check(sound(example_tasks=("Fix the roof now", "Now fix the roof"))) == []


@given(
    st.lists(st.frozensets(st.sampled_from("abcdefgh"), max_size=6), max_size=12),
    st.sampled_from([0.2, 0.34, 0.5, 0.6, 0.75, 1.0]),
)
@settings(max_examples=200, deadline=None)
def test_similar_pairs_equal_a_full_comparison(
    sets: list[frozenset[str]], threshold: float
) -> None:
    expected = [
        (first, second)
        for first in range(len(sets))
        for second in range(first + 1, len(sets))
        if sets[first] and sets[second] and jaccard(sets[first], sets[second]) >= threshold
    ]
    assert list(similar_pairs(sets, threshold)) == expected
