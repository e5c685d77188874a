"""Leaving an example out equals building the index without it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmatch.errors import CatalogueError, InvalidRequestError
from agentmatch.evaluation.leave_one_out import held_out_examples, leave_one_out
from agentmatch.evaluation.word_counts import WordCounts
from agentmatch.lexical import LexicalIndex
from agentmatch.matcher import AgentMatcher
from agentmatch.types import Agent
from conftest import HashingEncoder

AGENTS = (
    Agent(
        name="database-administrator",
        title="Database Administrator",
        description="Tunes databases and their queries.",
        when_to_use=("A query is slow", "Restore a backup of the database"),
        example_tasks=(
            "Restore a backup of the database",
            "Why is this SQL query slow?",
            "Add an index to the orders table",
        ),
        tags=("data", "sql"),
    ),
    Agent(
        name="frontend-engineer",
        description="Builds pages in React.",
        example_tasks=("Fix the layout of the login page", "Fix the layout of the login page "),
    ),
    Agent(
        name="designer",
        description="Draws pages and their layout.",
        capabilities=("Draw the layout of a page", "Choose colours"),
        example_tasks=("Fix the layout of the login page", "Choose colours for dark mode"),
    ),
    Agent(name="bare", example_tasks=("Send an invoice to every customer",)),
    Agent(
        name="biller",
        purpose=("You write invoices.",),
        example_tasks=("Ask @database-administrator about the invoices", "Print invoice 42"),
    ),
    Agent(name="quiet", description="Has no examples, but words about a slow invoice query."),
)


def rebuilt(agents: tuple[Agent, ...], agent: Agent) -> AgentMatcher:
    others = [other for other in agents if other.name != agent.name]
    return AgentMatcher([*others, agent], encoder=HashingEncoder())


def test_equals_a_true_rebuild(encoder: HashingEncoder) -> None:
    matcher = AgentMatcher(AGENTS, encoder=encoder)
    run = leave_one_out(matcher)
    examples = {held.request.id: held for held in held_out_examples(matcher.agents)}
    assert [entry.id for entry in run.entries] == list(examples)
    for entry in run.entries:
        expected = rebuilt(AGENTS, examples[entry.id].agent).match(entry.text, top_k=10)
        assert entry.names == [match.agent.name for match in expected], entry.id
        for found, match in zip(entry.ranking, expected, strict=True):
            best = match.evidence[0]
            assert found.score == pytest.approx(match.score, abs=1e-5), entry.id
            assert (found.section, found.evidence) == (best.section, best.text), entry.id
            assert found.similarity == pytest.approx(best.similarity, abs=1e-5)


WORDS = st.sampled_from(["slow", "query", "page", "layout", "invoice", "login", "the", "backup"])
LINES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[Agent, ...]:
    count = draw(st.integers(1, 4))
    return tuple(
        Agent(
            name=f"agent-{number}",
            description=draw(st.one_of(st.just(""), LINES)),
            when_to_use=tuple(draw(st.lists(LINES, max_size=2))),
            example_tasks=tuple(draw(st.lists(LINES, max_size=3))),
        )
        for number in range(count)
    )


@settings(deadline=None, max_examples=40)
@given(catalogues())
def test_equals_a_true_rebuild_of_any_catalogue(agents: tuple[Agent, ...]) -> None:
    examples = {held.request.id: held for held in held_out_examples(agents)}
    matcher = AgentMatcher(agents, encoder=HashingEncoder())
    if not examples:
        with pytest.raises(CatalogueError, match="no agent has example tasks"):
            leave_one_out(matcher)
        return
    for entry in leave_one_out(matcher).entries:
        expected = rebuilt(agents, examples[entry.id].agent).match(entry.text, top_k=10)
        wanted = {match.agent.name: match.score for match in expected}
        assert {item.name: item.score for item in entry.ranking} == pytest.approx(wanted, abs=1e-5)
        scores = [wanted[name] for name in entry.names]
        assert scores == pytest.approx(sorted(scores, reverse=True), abs=1e-5)


def test_every_copy_within_the_agent_is_held_out() -> None:
    held = next(held_out_examples(AGENTS))
    assert held.request.text == "Restore a backup of the database"
    assert held.agent.when_to_use == ("A query is slow",)
    assert all("backup" not in passage.text for passage in held.passages)


def test_an_example_is_asked_once() -> None:
    ids = [held.request.id for held in held_out_examples(AGENTS)]
    assert "frontend-engineer#1" in ids
    assert "frontend-engineer#2" not in ids


def test_a_copy_under_another_agent_steals(encoder: HashingEncoder) -> None:
    run = leave_one_out(AgentMatcher(AGENTS, encoder=encoder))
    stolen = {(pair.asked, pair.got): pair for pair in run.stolen}
    pair = stolen["frontend-engineer", "designer"]
    assert [request.id for request in pair.requests] == ["frontend-engineer#1"]
    assert pair.requests[0].evidence == "Fix the layout of the login page"
    assert pair.requests[0].similarity == pytest.approx(1, abs=1e-5)


def test_nothing_is_encoded_twice(encoder: HashingEncoder) -> None:
    matcher = AgentMatcher(AGENTS, encoder=encoder)
    encoder.encoded.clear()
    run = leave_one_out(matcher)
    assert len(encoder.encoded) == len(run.entries)


def test_examples_about_other_agents_work_are_not_asked() -> None:
    agent = Agent(name="a", example_tasks=("Do not use for billing", "Write a test"))
    assert [held.request.id for held in held_out_examples([agent])] == ["a#2"]


def test_unreadable_example_counts_as_failed(encoder: HashingEncoder) -> None:
    agents = [*AGENTS, Agent(name="zero", example_tasks=("\u200b",))]
    run = leave_one_out(AgentMatcher(agents, encoder=encoder))
    failed = [entry for entry in run.entries if entry.error]
    assert [entry.id for entry in failed] == ["zero#1"]
    assert run.failed == 1
    right = sum(entry.correct for entry in run.entries)
    assert run.metrics["accuracy@1"].value == pytest.approx(right / len(run.entries))


def test_limit_draws_examples(encoder: HashingEncoder) -> None:
    matcher = AgentMatcher(AGENTS, encoder=encoder)
    run = leave_one_out(matcher, limit=3, seed=1)
    assert len(run.entries) == 3
    everything = {entry.id: entry for entry in leave_one_out(matcher).entries}
    assert all(everything[entry.id].names == entry.names for entry in run.entries)
    with pytest.raises(InvalidRequestError, match="limit"):
        leave_one_out(matcher, limit=0)


texts = st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=1, max_size=5)


@settings(deadline=None)
@given(texts, st.data())
def test_word_counts_equal_an_index_with_the_other_text(
    documents: list[str], data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(documents) - 1))
    other = data.draw(st.lists(WORDS, max_size=6).map(" ".join))
    request = data.draw(LINES)
    changed = list(documents)
    changed[position] = other
    expected = LexicalIndex.build(changed).scores([request])[0]
    found = WordCounts(documents).scores(request, position, other)
    assert found == pytest.approx(expected, abs=1e-5)


def test_held_out_agent_keeps_everything_else() -> None:
    for held in held_out_examples(AGENTS):
        before = AGENTS[held.position]
        assert replace(held.agent, when_to_use=(), example_tasks=()) == replace(
            before, when_to_use=(), example_tasks=()
        )
