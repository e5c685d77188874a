"""Two-stage ranking of large catalogues against the exact one."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import numpy as np
import pytest

from agentmatch import dense, index
from agentmatch.candidates import UNLIKE
from agentmatch.dense import ApproximateIndex, DenseIndex
from agentmatch.index import build_index
from agentmatch.matcher import AgentMatcher
from agentmatch.types import Agent
from conftest import HashingEncoder

WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("ado", "eli", "iru", "ono")]


def crowd(count: int) -> list[Agent]:
    """Make agents that know a few words each, many of them shared."""
    chooser = random.Random(5)

    def line(own: list[str]) -> str:
        return " ".join(chooser.choices(own, k=3) + chooser.choices(WORDS, k=3))

    agents = []
    for number in range(count):
        own = chooser.sample(WORDS, 4)
        agents.append(
            Agent(
                f"agent-{number:04}",
                description=line(own),
                when_to_use=tuple(line(own) for _ in range(3)),
                capabilities=tuple(line(own) for _ in range(3)),
            )
        )
    return agents


@pytest.fixture(scope="module")
def matchers() -> tuple[AgentMatcher, AgentMatcher]:
    agents = crowd(1500)
    with pytest.MonkeyPatch.context() as patch:
        exact = AgentMatcher(agents, encoder=HashingEncoder())
        patch.setattr(index, "EXACT_LIMIT", 1000)
        return exact, AgentMatcher(agents, encoder=HashingEncoder())


def requests(count: int) -> list[str]:
    chooser = random.Random(7)
    return [" ".join(chooser.choices(WORDS, k=chooser.randint(2, 6))) for _ in range(count)]


def test_two_stages_rank_as_one(matchers: tuple[AgentMatcher, AgentMatcher]) -> None:
    exact, two_stage = matchers
    assert exact.index.approximate is None
    assert two_stage.index.approximate is not None
    assert two_stage.index.approximate.recall >= dense.LEAST_RECALL
    asked = requests(200)
    same = 0
    for one, other in zip(exact.match_many(asked), two_stage.match_many(asked), strict=True):
        same += [match.agent.name for match in one] == [match.agent.name for match in other]
    assert same >= 0.98 * len(asked)


def test_scores_and_evidence_of_candidates_are_exact(
    matchers: tuple[AgentMatcher, AgentMatcher],
) -> None:
    exact, two_stage = matchers
    request = requests(1)[0]
    expected = {match.agent.name: match for match in exact.match(request, top_k=1500)}
    for match in two_stage.match(request, top_k=20):
        assert match.score == pytest.approx(expected[match.agent.name].score, abs=1e-5)
        assert match.evidence[0].text == expected[match.agent.name].evidence[0].text


def test_named_and_explained_agents_are_candidates(
    matchers: tuple[AgentMatcher, AgentMatcher],
) -> None:
    exact, two_stage = matchers
    request = requests(1)[0]
    last = exact.match(request, top_k=1500)[-1].agent.name
    assert two_stage.match(f"{request} @{last}")[0].agent.name == last
    signals = {signal.name: signal for signal in two_stage.explain(request, last).signals}
    for signal in exact.explain(request, last).signals:
        assert signals[signal.name].value == pytest.approx(signal.value, abs=1e-5)


def test_agents_that_are_not_compared_count_as_unlike(
    matchers: tuple[AgentMatcher, AgentMatcher],
) -> None:
    exact, two_stage = matchers
    asked = requests(3)
    everything, found = exact.signals(asked), two_stage.signals(asked)
    compared = found["whole_text"] > UNLIKE
    assert 0 < compared.sum() < compared.size
    for name, values in found.items():
        if name.startswith("lexical"):
            np.testing.assert_array_equal(values, everything[name])
        else:
            np.testing.assert_array_equal(values[~compared], UNLIKE)
            np.testing.assert_allclose(values[compared], everything[name][compared], atol=1e-5)


def test_a_saved_index_answers_as_before(
    matchers: tuple[AgentMatcher, AgentMatcher], tmp_path: Path
) -> None:
    two_stage = matchers[1]
    two_stage.save(tmp_path / "index")
    loaded = AgentMatcher.load(tmp_path / "index", encoder=HashingEncoder())
    assert loaded.index.approximate is not None
    assert two_stage.index.approximate is not None
    assert loaded.index.approximate.recall == two_stage.index.approximate.recall
    asked = requests(20)
    assert loaded.match_many(asked) == two_stage.match_many(asked)


def test_a_changed_catalogue_keeps_the_centres_and_the_recall(
    matchers: tuple[AgentMatcher, AgentMatcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "EXACT_LIMIT", 1000)
    agents = [*crowd(1500), Agent("newcomer", description="Knows xylophones.")]
    changed = build_index(agents, HashingEncoder(), previous=matchers[1].index)
    assert changed.approximate is not None
    assert changed.approximate.recall >= dense.LEAST_RECALL
    vector = HashingEncoder().encode_queries(["Knows xylophones."])[0]
    nearest = changed.approximate.search(vector, 1)
    assert nearest[0] in changed.rows(changed.names.index("newcomer"))


def test_more_lists_are_looked_through_until_the_recall_is_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(2)
    vectors = generator.standard_normal((3000, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr(dense, "SEARCH_EFFORTS", (1, 2, 400))
    approximate = ApproximateIndex.build(DenseIndex(vectors))
    assert approximate is not None
    assert approximate.effort == 400
    exact = np.argsort(-(vectors[7] @ vectors.T))[:10]
    assert len(set(approximate.search(vectors[7], 10).tolist()) & set(exact.tolist())) >= 9


def test_without_the_recall_all_passages_are_compared(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(index, "EXACT_LIMIT", 100)
    monkeypatch.setattr(dense, "SEARCH_EFFORTS", (1,))
    with caplog.at_level(logging.WARNING, logger="agentmatch"):
        built = build_index(crowd(200), HashingEncoder())
    assert built.approximate is None
    assert "compared with all" in caplog.text
