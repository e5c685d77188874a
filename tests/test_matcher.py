"""Answers of AgentMatcher, against a NumPy oracle and against itself."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentmatch import AgentMatcher
from agentmatch.errors import (
    CatalogueError,
    DuplicateAgentError,
    IndexMismatchError,
    IndexStaleError,
    InvalidRequestError,
    NoAgentsError,
    UnknownAgentError,
)
from agentmatch.passages import description_terms, passages_of, whole_terms
from agentmatch.ranking import WEIGHTS
from agentmatch.types import Agent, Result
from conftest import TRADES, HashingEncoder, trade, write_trades
from test_index import bm25

REQUEST = "A tap drips in the kitchen"


@pytest.fixture
def matcher(trades: tuple[Agent, ...], encoder: HashingEncoder) -> AgentMatcher:
    return AgentMatcher(trades, encoder=encoder)


def ranking(result: Result) -> list[tuple[str, float]]:
    """Return names and scores; the last bits of a score may differ with the batch."""
    return [(match.agent.name, pytest.approx(match.score, abs=2e-6)) for match in result]


def oracle_scores(agents: list[Agent], request: str, encoder: HashingEncoder) -> list[float]:
    """Score agents by the description of `agentmatch.ranking`, one by one."""
    query = encoder.encode_queries([request])[0].astype(np.float64)
    whole_words = bm25([whole_terms(agent) for agent in agents], request)
    description_words = bm25([description_terms(agent) for agent in agents], request)
    scores = []
    for position, agent in enumerate(agents):
        passages = passages_of(agent)
        vectors = encoder.encode_queries([passage.text for passage in passages])
        similarities = vectors.astype(np.float64) @ query
        evidence = sorted(similarities[2:], reverse=True)
        described = [i for i, passage in enumerate(passages) if passage.section == "description"]
        signals = {
            "name": similarities[0],
            "whole_text": similarities[1],
            "description": similarities[described[0] if described else 1],
            "best_passage": evidence[0] if evidence else similarities[1],
            "top_passages": np.mean(evidence[:3]) if evidence else similarities[1],
            "lexical_whole_text": whole_words[position] / (whole_words.max() or 1),
            "lexical_description": description_words[position] / (description_words.max() or 1),
        }
        total = sum(WEIGHTS.values())
        scores.append(sum(WEIGHTS[name] * value for name, value in signals.items()) / total)
    return scores


@pytest.mark.parametrize("request_text", [REQUEST, "bread", "zzz unknown", "cut the hedge, please"])
def test_scores_agree_with_numpy(
    request_text: str, matcher: AgentMatcher, encoder: HashingEncoder
) -> None:
    agents = [*matcher.agents, Agent("bare")]
    matcher = AgentMatcher(agents, encoder=encoder)
    expected = oracle_scores(sorted(agents, key=lambda agent: agent.name), request_text, encoder)
    result = matcher.match(request_text, top_k=len(agents))
    found = {match.agent.name: match.score for match in result}
    for agent, score in zip(matcher.agents, expected, strict=True):
        assert found[agent.name] == pytest.approx(score, abs=1e-5)
    assert [match.score for match in result] == sorted(found.values(), reverse=True)
    assert [match.rank for match in result] == list(range(1, len(agents) + 1))


def test_evidence_is_the_nearest_passages(matcher: AgentMatcher, encoder: HashingEncoder) -> None:
    best = matcher.match(REQUEST)[0]
    assert best.agent.name == "plumber"
    assert best.evidence[0].section == "when_to_use"
    assert best.evidence[0].text == "A tap drips all night"
    query = encoder.encode_queries([REQUEST])[0]
    for evidence in best.evidence:
        vector = encoder.encode_queries([evidence.text])[0]
        assert evidence.similarity == pytest.approx(float(vector @ query), abs=1e-5)
        assert evidence.section not in ("name", "whole_text")
    similarities = [evidence.similarity for evidence in best.evidence]
    assert similarities == sorted(similarities, reverse=True)


def test_an_agent_of_a_name_only_is_evidence_for_itself(encoder: HashingEncoder) -> None:
    match = AgentMatcher([Agent("dba")], encoder=encoder).match("dba")[0]
    assert [(evidence.section, evidence.text) for evidence in match.evidence] == [("name", "dba")]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.builds(
            Agent,
            st.sampled_from([f"agent-{letter}" for letter in "abcdefgh"]),
            description=st.sampled_from(["", "Mends roofs", "Mends pipes", "Bakes bread"]),
            when_to_use=st.lists(st.sampled_from(["roof leaks", "pipe leaks"]), max_size=2).map(
                tuple
            ),
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda agent: agent.name,
    ),
    st.lists(
        st.sampled_from(["mend the roof", "pipe leaks", "bread", "qq", "agent-b roof"]),
        min_size=1,
        max_size=5,
    ),
    st.randoms(),
)
def test_order_of_agents_and_batches_does_not_change_answers(
    agents: list[Agent], requests: list[str], shuffler: random.Random
) -> None:
    one = AgentMatcher(agents, encoder=HashingEncoder())
    shuffled = list(agents)
    shuffler.shuffle(shuffled)
    other = AgentMatcher(shuffled, encoder=HashingEncoder())
    together = one.match_many(requests, top_k=8)
    for request, result in zip(requests, together, strict=True):
        assert ranking(result) == ranking(other.match(request, top_k=8))
        assert ranking(one.match(request, top_k=3)) == ranking(result)[:3]


def test_equal_agents_are_ordered_by_name(encoder: HashingEncoder) -> None:
    # Titles that equal the names up to hyphens stand for them: the passages are the same.
    names = ("roof--er", "roof-er", "roofer")
    agents = [Agent(name, title="Roofer", description="Mends roofs.") for name in names]
    result = AgentMatcher(reversed(agents), encoder=encoder).match("mend my roof")
    assert [match.agent.name for match in result] == list(names)
    assert len({match.score for match in result}) == 1


def test_a_named_agent_comes_first(trades: tuple[Agent, ...], encoder: HashingEncoder) -> None:
    agents = [*trades, Agent("paint-mixer", description="Mixes paint.")]
    matcher = AgentMatcher(agents, encoder=encoder)
    assert matcher.match(f"{REQUEST}, paint-mixer")[0].agent.name == "paint-mixer"
    assert matcher.match(f"@baker {REQUEST}")[0].agent.name == "baker"
    assert matcher.match(REQUEST)[0].agent.name == "plumber"


def test_top_k_is_clamped_and_checked(matcher: AgentMatcher) -> None:
    assert len(matcher.match(REQUEST, top_k=2)) == 2
    assert len(matcher.match(REQUEST, top_k=1000)) == len(TRADES)
    for bad in (0, -1, 1.5, True, "3"):
        with pytest.raises(InvalidRequestError, match="top_k"):
            matcher.match(REQUEST, top_k=bad)  # type: ignore[arg-type]


def test_requests_that_cannot_be_answered_are_refused(matcher: AgentMatcher) -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        matcher.match(" ")
    with pytest.raises(InvalidRequestError, match="list of requests"):
        matcher.match_many(REQUEST)
    assert matcher.match_many([]) == []


@pytest.mark.parametrize("request_text", ["📉🔥", "Дах протікає", "屋顶漏水", "\x00roof\x1b[31m"])
def test_unusual_requests_are_answered(request_text: str, matcher: AgentMatcher) -> None:
    result = matcher.match(request_text)
    assert len(result) == 5
    assert result.request == request_text
    assert all(np.isfinite(match.score) for match in result)


def test_a_long_request_is_answered_with_a_warning(matcher: AgentMatcher) -> None:
    result = matcher.match("The tap drips and drips. " * 400)
    assert result[0].agent.name == "plumber"
    assert "long" in result.warnings[0]


def test_one_part_of_a_long_request_does_not_change_the_others(matcher: AgentMatcher) -> None:
    long = "The tap drips and drips. " * 400
    mixed = matcher.match_many([REQUEST, long, "bake bread"])
    assert ranking(mixed[0]) == ranking(matcher.match(REQUEST))
    assert ranking(mixed[1]) == ranking(matcher.match(long))
    assert ranking(mixed[2]) == ranking(matcher.match("bake bread"))


def test_signals_are_what_scores_are_made_of(matcher: AgentMatcher) -> None:
    requests = [REQUEST, "bread"] * 50
    signals = matcher.signals(requests)
    assert set(signals) == set(WEIGHTS)
    for values in signals.values():
        assert values.shape == (100, len(TRADES))
        assert values.dtype == np.float32
        np.testing.assert_allclose(values[0], values[98], atol=1e-6)


def test_an_explanation_adds_up(matcher: AgentMatcher) -> None:
    result = matcher.match(REQUEST)
    for match in result:
        explanation = matcher.explain(REQUEST, match.agent.name)
        assert explanation.match == match
        assert explanation.agents == len(TRADES)
        assert sum(s.share for s in explanation.signals) == pytest.approx(match.score, abs=1e-5)
        rivals = [rival.match.agent.name for rival in explanation.rivals]
        ahead = [other.agent.name for other in result if other.rank < match.rank]
        assert rivals == (ahead[:3] or [result[1].agent.name])
        for rival in explanation.rivals:
            difference = rival.match.score - match.score
            assert sum(rival.margins.values()) == pytest.approx(difference, abs=1e-5)


def test_an_explanation_says_that_the_agent_was_named(matcher: AgentMatcher) -> None:
    assert matcher.explain("@baker help", "baker").named
    assert not matcher.explain("@baker help", "roofer").named
    with pytest.raises(UnknownAgentError, match="did you mean roofer"):
        matcher.explain(REQUEST, "rooofer")


def test_add_and_remove_encode_only_what_is_new(
    matcher: AgentMatcher, encoder: HashingEncoder
) -> None:
    encoder.encoded.clear()
    matcher.add([Agent("mason", description="Lays bricks.")])
    assert "Lays bricks." in encoder.encoded
    assert not any("roof" in text for text in encoder.encoded)
    assert matcher.match("lay bricks")[0].agent.name == "mason"
    encoder.encoded.clear()
    matcher.remove(["mason", "roofer"])
    assert not encoder.encoded
    assert sorted(agent.name for agent in matcher.agents) == sorted(TRADES.keys() - {"roofer"})
    matcher.add([replace(trade("baker"), when_to_use=("The oven is cold",))])
    assert matcher.match("oven is cold")[0].agent.name == "baker"
    assert len(matcher) == 4
    with pytest.raises(UnknownAgentError):
        matcher.remove(["roofer"])
    with pytest.raises(NoAgentsError):
        matcher.remove([agent.name for agent in matcher.agents])


def test_a_changed_matcher_equals_a_new_one(matcher: AgentMatcher) -> None:
    matcher.add([Agent("mason", description="Lays bricks.")])
    matcher.remove(["roofer"])
    fresh = AgentMatcher(matcher.agents, encoder=HashingEncoder())
    for request in (REQUEST, "bricks", "bread for the garden"):
        assert matcher.match(request).matches == fresh.match(request).matches


def test_no_agents_and_twins_are_errors(encoder: HashingEncoder) -> None:
    with pytest.raises(NoAgentsError):
        AgentMatcher([], encoder=encoder)
    with pytest.raises(DuplicateAgentError):
        AgentMatcher([Agent("a"), Agent("a")], encoder=encoder)


@pytest.mark.parametrize("cache", [True, False])
def test_a_directory_is_read_and_refreshed(
    cache: bool, tmp_path: Path, encoder: HashingEncoder
) -> None:
    folder = write_trades(tmp_path / "agents")
    matcher = AgentMatcher.from_directory(folder, encoder=encoder, cache=cache)
    assert matcher.match(REQUEST)[0].agent.name == "plumber"
    encoder.encoded.clear()
    assert matcher.refresh() == 0
    (folder / "mason.md").write_text("# mason: Mason\n\n## Description\nLays bricks.\n")
    assert matcher.refresh() > 0
    assert "Lays bricks." in encoder.encoded
    assert matcher.match("lay bricks")[0].agent.name == "mason"


def test_a_directory_with_duplicates_uses_the_first_and_reports(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    folder = write_trades(tmp_path / "agents")
    (folder / "z.md").write_text("# baker: Other\n\n## Description\nSells flour.\n")
    matcher = AgentMatcher.from_directory(folder, encoder=encoder)
    assert matcher.agent("baker").description == TRADES["baker"][0]
    assert [problem.code for problem in matcher.problems] == ["duplicate-name"]


def test_only_a_matcher_of_files_can_be_refreshed(matcher: AgentMatcher) -> None:
    with pytest.raises(CatalogueError, match="not made from"):
        matcher.refresh()


def test_a_saved_matcher_answers_as_before(tmp_path: Path, encoder: HashingEncoder) -> None:
    folder = write_trades(tmp_path / "agents")
    matcher = AgentMatcher.from_directory(folder, encoder=encoder)
    matcher.save(tmp_path / "index")
    encoder.encoded.clear()
    loaded = AgentMatcher.load(tmp_path / "index", encoder=encoder)
    assert not encoder.encoded
    for request in (REQUEST, "bread", "@roofer"):
        assert loaded.match(request) == matcher.match(request)
    with pytest.raises(IndexMismatchError, match="build it again"):
        AgentMatcher.load(tmp_path / "index", encoder=HashingEncoder(salt="other"))


def test_a_saved_index_older_than_its_catalogue_is_refused(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    folder = write_trades(tmp_path / "agents")
    AgentMatcher.from_directory(folder, encoder=encoder).save(tmp_path / "index")
    file = folder / "baker.md"
    file.write_text(file.read_text() + "\n")
    AgentMatcher.load(tmp_path / "index", encoder=encoder)
    file.write_text(file.read_text().replace("A party needs a cake", "The oven is cold"))
    with pytest.raises(IndexStaleError, match="baker"):
        AgentMatcher.load(tmp_path / "index", encoder=encoder)
    # On a machine that has only the index it is all there is.
    for entry in folder.iterdir():
        entry.unlink()
    folder.rmdir()
    assert AgentMatcher.load(tmp_path / "index", encoder=encoder).match(REQUEST)


def test_the_builtin_agents_are_there(encoder: HashingEncoder) -> None:
    matcher = AgentMatcher.from_directory("builtin", encoder=encoder)
    assert len(matcher) >= 64
    assert matcher.agent("backend-engineer").example_tasks
