"""Which texts of an agent are indexed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentmatch.passages import content_hash, display_name, passages_of, whole_terms
from agentmatch.types import Agent

AGENT = Agent(
    "pipe-fitter",
    title="Plumber",
    description="Repairs pipes.",
    when_to_use=("A tap drips", "A tap drips", "Do not use for gas", " "),
    example_tasks=("Unblock the drain",),
    capabilities=("Soldering",),
    workflow=("Look first",),
    best_practices=("Turn off the water",),
    success_metrics=("No drips",),
    tags=("water",),
)


def test_every_line_that_says_what_it_is_for_is_a_passage() -> None:
    assert [(passage.section, passage.text) for passage in passages_of(AGENT)] == [
        ("name", "pipe fitter: Plumber"),
        (
            "whole_text",
            "pipe fitter: Plumber\nRepairs pipes.\nA tap drips\nUnblock the drain\nSoldering",
        ),
        ("description", "Repairs pipes."),
        ("when_to_use", "A tap drips"),
        ("example_tasks", "Unblock the drain"),
        ("capabilities", "Soldering"),
    ]


def test_an_agent_with_nothing_but_a_name_has_two_passages() -> None:
    assert [passage.text for passage in passages_of(Agent("dba"))] == ["dba", "dba"]


@pytest.mark.parametrize(
    ("name", "title", "expected"),
    [
        ("code-reviewer", "", "code reviewer"),
        ("code-reviewer", "Code Reviewer", "Code Reviewer"),
        ("dba", "Database Expert", "dba: Database Expert"),
        ("---", "", "---"),
    ],
)
def test_display_name(name: str, title: str, expected: str) -> None:
    assert display_name(Agent(name, title=title)) == expected


def test_tags_count_as_words_but_are_no_passage() -> None:
    assert "water" in whole_terms(AGENT)
    assert all("water" not in passage.text for passage in passages_of(AGENT))


def test_the_content_hash_tells_what_shapes_the_index() -> None:
    same = replace(AGENT, workflow=("Other",), model="x", body="y", metadata={"z": 1})
    assert content_hash(same) == content_hash(AGENT)
    for changed in (
        replace(AGENT, name="plumber"),
        replace(AGENT, description="Repairs taps."),
        replace(AGENT, example_tasks=()),
        replace(AGENT, tags=("gas",)),
    ):
        assert content_hash(changed) != content_hash(AGENT)
    moved = replace(AGENT, capabilities=("A tap drips", "Soldering"), when_to_use=())
    assert content_hash(moved) != content_hash(AGENT)
