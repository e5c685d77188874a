"""Confidences: probabilities, in the order of scores, and never lower for more evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmatch.calibration import DEFAULT_CALIBRATION, Calibration, LogisticModel
from agentmatch.errors import InvalidRequestError
from agentmatch.features import (
    AGENT_FEATURES,
    LEAD_CAP,
    REQUEST_FEATURES,
    TEMPERATURE,
    Features,
    features_of,
    other_script,
)
from agentmatch.matcher import AgentMatcher
from agentmatch.types import Agent
from conftest import TRADES, HashingEncoder

REQUESTS = ("A tap drips all night", "Moss on the lawn", "zzz unknown", "Дах протікає", "plumber?")
SURE = LogisticModel(20.0, {})
UNSURE = LogisticModel(-20.0, {})


@pytest.fixture
def matcher(trades: tuple[Agent, ...], encoder: HashingEncoder) -> AgentMatcher:
    return AgentMatcher(trades, encoder=encoder)


def refusing(encoder: HashingEncoder, fits: LogisticModel, fingerprint: str = "") -> Calibration:
    return replace(DEFAULT_CALIBRATION, fits=fits, encoder_fingerprint=fingerprint)


def with_calibration(calibration: Calibration, encoder: HashingEncoder) -> AgentMatcher:
    agents = [Agent(name, description=parts[0]) for name, parts in TRADES.items()]
    return AgentMatcher(agents, encoder=encoder, calibration=calibration)


numbers = st.floats(-1, 2, allow_nan=False)


@settings(max_examples=200)
@given(
    st.lists(numbers, min_size=5, max_size=5),
    st.lists(numbers, min_size=2, max_size=2),
    st.sampled_from([*REQUEST_FEATURES, *AGENT_FEATURES]),
    st.floats(0.001, 2),
)
def test_more_evidence_never_lowers_a_confidence(
    request_values: list[float], agent_values: list[float], name: str, more: float
) -> None:
    def confidences(step: float) -> tuple[float, float]:
        features = Features(
            {
                key: np.array([value + step * (key == name)])
                for key, value in zip(REQUEST_FEATURES, request_values, strict=True)
            },
            {
                key: np.array([[value + step * (key == name)]])
                for key, value in zip(AGENT_FEATURES, agent_values, strict=True)
            },
        )
        calibration = DEFAULT_CALIBRATION
        confidence = float(calibration.confidence(features)[0, 0])
        none = float(calibration.confidence_none(features)[0])
        assert 0 <= confidence <= 1 - none <= 1
        return confidence, none

    (before, none_before), (after, none_after) = confidences(0.0), confidences(more)
    assert after >= before
    assert none_after <= none_before


def test_every_shipped_weight_speaks_for_an_agent() -> None:
    calibration = DEFAULT_CALIBRATION
    assert calibration.fits.weights.keys() == set(REQUEST_FEATURES)
    assert calibration.right.weights.keys() == set(AGENT_FEATURES)
    assert min(*calibration.fits.weights.values(), *calibration.right.weights.values()) >= 0
    assert 0 < calibration.max_none < 1


def test_probability_is_the_logistic_function() -> None:
    model = LogisticModel(0.5, {"a": 2.0, "b": -1.0})
    a, b = np.array([0.1, -300.0, 900.0]), np.array([0.4, 0.0, 1.0])
    expected = [1 / (1 + np.exp(-0.3)), 0.0, 1.0]
    np.testing.assert_allclose(model.probability({"a": a, "b": b}), expected, atol=1e-12)


@settings(max_examples=100)
@given(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=4))
def test_features_equal_a_loop(rows: list[list[float]]) -> None:
    scores = np.array(rows, dtype=np.float32)
    signals = {"whole_text": scores, "top_passages": -scores}
    bm25 = np.abs(scores)
    terms = list(range(len(rows)))
    found = features_of(["a"] * len(rows), scores, signals, bm25, terms)
    for row, values in enumerate(scores.astype(float)):
        assert found.request["whole_text"][row] == values.max()
        assert found.request["top_passages"][row] == (-values).max()
        words = bm25[row].max() / np.sqrt(max(terms[row], 1)) / np.log(4)
        assert found.request["words"][row] == pytest.approx(words)
        assert found.request["named"][row] == (values.max() > 1)
        shares = np.exp(values / TEMPERATURE) / np.exp(values / TEMPERATURE).sum()
        second = sorted(values)[-2]
        for agent, value in enumerate(values):
            assert np.exp(found.agents["log_share"][row, agent]) == pytest.approx(shares[agent])
            lead = min(max(value - second, 0), LEAD_CAP)
            assert found.agents["lead"][row, agent] == pytest.approx(lead)


@pytest.mark.parametrize(
    ("text", "share"), [("naïve café", 0), ("", 0), ("1 + 1 €", 0), ("屋顶", 1), ("ab Да", 0.5)]
)
def test_share_of_letters_that_are_not_latin(text: str, share: float) -> None:
    assert other_script(text) == share


def test_confidences_follow_the_ranking(matcher: AgentMatcher) -> None:
    for result in matcher.match_many(REQUESTS):
        found = [match.confidence for match in result.ranking]
        assert found == sorted(found, reverse=True)
        assert found[0] <= 1 - result.confidence_none + 1e-4
        assert all(0 <= confidence <= 1 for confidence in found)


def test_batches_do_not_change_confidences(matcher: AgentMatcher) -> None:
    together = matcher.match_many(REQUESTS)
    for request, result in zip(REQUESTS, together, strict=True):
        alone = matcher.match(request)
        assert alone.confidence_none == pytest.approx(result.confidence_none, abs=2e-4)
        assert [match.confidence for match in alone] == pytest.approx(
            [match.confidence for match in result], abs=2e-4
        )


def test_one_agent_is_no_special_case(encoder: HashingEncoder) -> None:
    matcher = AgentMatcher([Agent("a", description="Knows all")], encoder=encoder)
    result = matcher.match("Knows all")
    assert 0 < result[0].confidence <= 1 - result.confidence_none + 1e-4


def test_a_named_agent_is_a_sure_answer(matcher: AgentMatcher) -> None:
    named, other = matcher.match("@plumber zzz"), matcher.match("zzz")
    assert named.confidence_none < other.confidence_none / 3
    assert named[0].confidence > 0.5


def test_the_bar_is_for_each_agent(matcher: AgentMatcher) -> None:
    whole = matcher.match(REQUESTS[0])
    bar = whole[1].confidence
    result = matcher.match(REQUESTS[0], min_confidence=bar)
    assert result.matches == whole.matches[:2]
    assert result.near_misses == whole.matches[2:]
    assert result.ranking == whole.matches
    assert not result.abstained


def test_below_the_bar_no_agent_fits(matcher: AgentMatcher) -> None:
    result = matcher.match("zzz unknown", 3, min_confidence=1)
    assert result.abstained
    assert len(result) == 0
    assert [match.rank for match in result.near_misses] == [1, 2, 3]
    assert not matcher.match("zzz unknown", min_confidence=0).abstained


def test_what_probably_fits_none_is_refused_by_default(encoder: HashingEncoder) -> None:
    for fits, abstained in ((SURE, False), (UNSURE, True)):
        matcher = with_calibration(refusing(encoder, fits), encoder)
        result = matcher.match("A tap drips", 2)
        assert result.abstained is abstained
        assert len(result.ranking) == 2
        assert matcher.explain("A tap drips", "baker").abstained is abstained


def test_a_calibration_of_another_encoder_refuses_nothing(encoder: HashingEncoder) -> None:
    for fingerprint, abstained in (("another", False), (encoder.fingerprint, True)):
        matcher = with_calibration(refusing(encoder, UNSURE, fingerprint), encoder)
        assert matcher.match("A tap drips").abstained is abstained


@pytest.mark.parametrize("bar", [-0.1, 1.5, float("nan")])
def test_a_bar_that_is_no_probability_is_refused(bar: float, matcher: AgentMatcher) -> None:
    with pytest.raises(InvalidRequestError, match="min_confidence"):
        matcher.match("A tap drips", min_confidence=bar)


def test_an_explanation_has_the_confidences_of_the_answer(matcher: AgentMatcher) -> None:
    result = matcher.match(REQUESTS[0])
    explanation = matcher.explain(REQUESTS[0], result[2].agent.name)
    assert explanation.match.confidence == result[2].confidence
    assert explanation.confidence_none == result.confidence_none


def test_json_holds_the_whole_calibration() -> None:
    document = json.loads(json.dumps(DEFAULT_CALIBRATION.to_json()))
    assert Calibration.from_json(document) == DEFAULT_CALIBRATION


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"fits": None}, {"right": {"bias": 0}}, {"max_none": "x"}],
)
def test_other_json_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a calibration"):
        Calibration.from_json({**DEFAULT_CALIBRATION.to_json(), **change})


def test_the_shipped_weights_are_those_of_the_benchmark() -> None:
    file = Path(__file__).parents[1] / "benchmarks" / "results" / "calibration.json"
    fitted = json.loads(file.read_text(encoding="utf-8"))["fitted"]
    assert Calibration.from_json(fitted) == DEFAULT_CALIBRATION
