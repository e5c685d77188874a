"""Scores to rankings and metrics; weights to quality; the fit of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agentmatch import Agent, AgentMatcher, LabelledRequest
from agentmatch.ranking import WEIGHTS
from benchmarks.development import SignalSet, held_out_examples, quality, quality_of_scores
from benchmarks.fusion import fit, variants
from benchmarks.scoring import measure, rank

NAMES = ("a", "b", "c")


def request(number: int, *agents: str) -> LabelledRequest:
    return LabelledRequest(str(number), f"request {number}", agents, "test")


def test_equal_scores_are_ordered_by_name() -> None:
    answers = rank(np.array([[0.5, 0.5 + 1e-9, 0.9], [0.1, -1.0, 0.0]]), NAMES)
    assert answers.rankings == [["c", "a", "b"], ["a", "c", "b"]]
    assert answers.best.tolist() == [0.9, 0.1]


def test_measured_values_are_those_counted_by_hand() -> None:
    scores = np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1], [0, 0, 0.5]], dtype=np.float32)
    requests = [request(1, "a"), request(2, "b"), request(3, "c", "b"), request(4)]
    result = measure(rank(scores, NAMES), requests)
    assert result["ranks"] == "1 2 2 -"
    assert result["metrics"]["accuracy@1"]["value"] == pytest.approx(1 / 3, abs=1e-5)
    assert result["metrics"]["mrr@10"]["value"] == pytest.approx(2 / 3, abs=1e-5)
    assert result["metrics"]["recall@3"]["value"] == 1
    assert result["auroc"] == 1


def test_there_is_no_auroc_without_requests_out_of_scope() -> None:
    answers = rank(np.eye(3), NAMES)
    both = measure(answers, [request(1, "a"), request(2), request(3, "c")])
    assert both["auroc"] == 0.5
    assert measure(answers, [request(1, "a"), request(2, "b"), request(3, "c")])["auroc"] is None


def test_quality_counts_ties_against_the_right_agent() -> None:
    scores = np.array([[1.0, 0.5, 0.2], [0.5, 0.5, 0.2]], dtype=np.float32)
    gold = np.array([[True, False, False], [True, False, False]])
    assert quality_of_scores(scores, gold) == {"accuracy@1": 0.5, "mrr@10": 0.75}


def test_a_named_agent_comes_first() -> None:
    signals = {"description": np.array([[0.9, 0.1]], dtype=np.float32)}
    gold = np.array([[False, True]])
    named = SignalSet("set", signals, gold, gold)
    assert quality(named, {"description": 1.0})["accuracy@1"] == 1
    assert quality(named, {"description": 1.0}, bonus=0.0)["accuracy@1"] == 0


def test_fit_finds_the_signal_that_tells_agents_apart() -> None:
    generator = np.random.default_rng(0)
    gold = np.eye(20, dtype=np.bool_)
    signals = {name: generator.random((20, 20), dtype=np.float32) for name in WEIGHTS} | {
        "name": gold.astype(np.float32) * np.float32(0.3)
    }
    data = SignalSet("set", signals, np.zeros_like(gold), gold)
    start = quality(data, WEIGHTS)["mrr@10"]
    weights = fit([data])
    assert quality(data, weights)["mrr@10"] > max(start, 0.9)
    assert weights["name"] > WEIGHTS["name"]


def test_every_signal_is_left_out_once_and_alone_once() -> None:
    found = variants()
    assert found["as shipped"] == (dict(WEIGHTS), True)
    for name in WEIGHTS:
        assert set(found[f"without {name}"][0]) == set(WEIGHTS) - {name}
        assert set(found[f"{name} alone"][0]) == {name}


def test_a_held_out_example_is_not_in_its_agent(encoder: Any) -> None:
    agents = (
        Agent(name="a", description="Alpha.", example_tasks=("First of a", "Second of a")),
        Agent(name="b", description="Beta.", example_tasks=("First of b",)),
        Agent(name="c", description="Gamma."),
    )
    found = held_out_examples("set", agents, encoder)
    assert found.gold.tolist() == [[True, False, False], [False, True, False], [True, False, False]]
    # Where its own example stood in the index, the best passage would equal the request.
    assert found.signals["best_passage"][found.gold].max() < 0.999
    whole = AgentMatcher(agents, encoder=encoder).signals(["First of a"])
    assert whole["best_passage"][0, 0] == pytest.approx(1, abs=1e-5)
