"""A matcher learns from labelled requests; scores, probabilities, and what is refused."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from agentmatch.errors import InvalidRequestError, UnknownAgentError
from agentmatch.evaluation.request_sets import LabelledRequest
from agentmatch.matcher import AgentMatcher
from agentmatch.tuning.kernel_ridge import (
    KernelSettings,
    fit_kernel_ridge,
    kernel_scores,
    term_coefficients,
)
from agentmatch.tuning.report import calibration_error, measure
from agentmatch.tuning.terms import BUCKETS, bucket_weights, count_terms, weigh_terms
from agentmatch.types import Agent
from conftest import TRADES, HashingEncoder, trade

JARGON = {
    "roofer": "shingle gutter eaves flashing rafter",
    "plumber": "cistern valve sump boiler washer",
    "baker": "yeast crust oven dough glaze",
    "electrician": "volt breaker relay ampere switch",
    "gardener": "compost weed mulch prune shrub",
}
"""Words of users that no agent's text holds."""

FILLER = "please today again somehow needs looking broken old big small there kitchen"


def ask(name: str, generator: random.Random) -> str:
    words = generator.sample(JARGON[name].split(), 2) + generator.sample(FILLER.split(), 2)
    generator.shuffle(words)
    return " ".join(words)


def requests_for(
    names: list[str], each: int, none: int = 0, seed: int = 0, split: str = "train"
) -> list[LabelledRequest]:
    generator = random.Random(seed)
    found = [
        LabelledRequest(f"{split}-{name}-{number}", ask(name, generator), (name,), split)
        for name in names
        for number in range(each)
    ]
    for number in range(none):
        words = [f"word{generator.randrange(10**6)}" for _ in range(4)]
        found.append(LabelledRequest(f"{split}-none-{number}", " ".join(words), (), split))
    return found


@pytest.fixture
def matcher(trades: tuple[Agent, ...]) -> AgentMatcher:
    return AgentMatcher(trades, encoder=HashingEncoder())


def accuracy(matcher: AgentMatcher, requests: list[LabelledRequest]) -> float:
    results = matcher.match_many([request.text for request in requests], 1)
    hits = [
        result.ranking[0].agent.name in request.agents
        for result, request in zip(results, requests, strict=True)
        if request.agents
    ]
    return sum(hits) / len(hits)


def test_left_out_scores_are_those_of_a_fit_without_the_example() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((12, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [ask(name, random.Random(row)) for row, name in enumerate([*TRADES, *TRADES, *TRADES])]
    counts = count_terms(texts[:12])
    terms = weigh_terms(counts, bucket_weights(counts))
    targets = np.eye(3, dtype=np.float32)[np.arange(12) % 3]
    settings = KernelSettings(sharpness=2.0, term_share=0.3, ridge=0.2)
    everything = fit_kernel_ridge(vectors, terms, targets, settings)
    for row in range(12):
        others = np.delete(np.arange(12), row)
        fit = fit_kernel_ridge(vectors[others], terms.take(others), targets[others], settings)
        by_term = term_coefficients(terms.take(others), fit.coefficients)
        scores = kernel_scores(
            vectors[[row]],
            terms.take(np.array([row])),
            vectors[others],
            fit.coefficients,
            by_term,
            settings,
        )
        np.testing.assert_allclose(scores[0], everything.left_out[row], atol=1e-4)


def test_coefficients_solve_the_ridge_equations() -> None:
    generator = np.random.default_rng(1)
    vectors = generator.standard_normal((9, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    counts = count_terms([f"red fox number{row % 4}" for row in range(9)])
    terms = weigh_terms(counts, bucket_weights(counts))
    sparse = csr_matrix((terms.values, terms.columns, terms.offsets), shape=(9, BUCKETS))
    targets = generator.standard_normal((9, 2)).astype(np.float32)
    fit = fit_kernel_ridge(vectors, terms, targets, KernelSettings(1.5, 0.4, 0.3))
    kernel = np.exp(1.5 * (vectors @ vectors.T - 1)) + 0.4 * (sparse @ sparse.T).toarray()
    expected = np.linalg.solve(kernel + 0.3 * np.eye(9), targets)
    np.testing.assert_allclose(fit.coefficients, expected, atol=1e-3)


def test_terms_are_rows_of_unit_length_and_like_texts_are_near() -> None:
    counts = count_terms(["reset my password", "resetting passwords", "rain in Oslo", "..."])
    terms = weigh_terms(counts, bucket_weights(counts))
    dense = csr_matrix((terms.values, terms.columns, terms.offsets), shape=(4, BUCKETS)).toarray()
    np.testing.assert_allclose(np.linalg.norm(dense, axis=1), [1, 1, 1, 0], atol=1e-5)
    products = dense @ dense.T
    assert products[0, 1] > 0.2 > products[0, 2]


def test_requests_of_the_users_own_words_are_learned(matcher: AgentMatcher) -> None:
    test = requests_for(list(TRADES), 20, seed=9, split="test")
    before = accuracy(matcher, test)
    report = matcher.tune(requests_for(list(TRADES), 12, none=25))
    assert accuracy(matcher, test) > max(0.9, before + 0.3)
    assert report.better
    assert report.after.accuracy is not None
    assert report.before.accuracy is not None
    assert report.after.accuracy > report.before.accuracy
    assert (report.requests, report.without_agent, report.agents_with_examples) == (85, 25, 5)


def test_unlike_requests_are_refused(matcher: AgentMatcher) -> None:
    matcher.tune(requests_for(list(TRADES), 12, none=30))
    fitting = requests_for(list(TRADES), 10, seed=5)
    other = requests_for([], 0, none=50, seed=6)
    refused = [matcher.match(request.text).abstained for request in other]
    lost = [matcher.match(request.text).abstained for request in fitting]
    assert np.mean(refused) > 0.7
    assert np.mean(lost) < 0.15


def test_confidence_falls_with_the_rank_and_never_exceeds_that_some_agent_fits(
    matcher: AgentMatcher,
) -> None:
    matcher.tune(requests_for(list(TRADES), 8, none=25))
    for request in requests_for(list(TRADES), 3, none=5, seed=3):
        result = matcher.match(request.text)
        confidences = [match.confidence for match in result.ranking]
        assert confidences == sorted(confidences, reverse=True)
        assert confidences[0] <= 1 - result.confidence_none + 1e-6


def test_dev_requests_judge_the_head(matcher: AgentMatcher) -> None:
    dev = requests_for(list(TRADES), 5, none=10, seed=2, split="dev")
    report = matcher.tune(requests_for(list(TRADES), 8, none=12), dev)
    assert (report.judged_on, report.judged) == ("dev requests", 35)
    assert report.notes == ()


def test_an_agent_added_after_tuning_gets_its_requests(trades: tuple[Agent, ...]) -> None:
    old = [agent for agent in trades if agent.name != "baker"]
    matcher = AgentMatcher(old, encoder=HashingEncoder())
    matcher.tune(requests_for([agent.name for agent in old], 12))
    matcher.add([trade("baker")])
    result = matcher.match("A party needs a cake and forty rolls")
    assert result[0].agent.name == "baker"
    known = requests_for(["plumber", "roofer"], 10, seed=4)
    assert accuracy(matcher, known) > 0.8


def test_an_agent_removed_after_tuning_is_gone_and_the_others_stay(
    matcher: AgentMatcher,
) -> None:
    matcher.tune(requests_for(list(TRADES), 12))
    matcher.remove(["baker"])
    results = matcher.match_many([r.text for r in requests_for(["baker"], 5, seed=8)])
    assert all(match.agent.name != "baker" for result in results for match in result.ranking)
    assert accuracy(matcher, requests_for(["plumber", "gardener"], 10, seed=8)) > 0.9


def test_an_agent_without_examples_is_judged_by_its_text(matcher: AgentMatcher) -> None:
    report = matcher.tune(requests_for([name for name in TRADES if name != "baker"], 12))
    assert report.agents_with_examples == 4
    assert matcher.match("A party needs a cake").ranking[0].agent.name == "baker"


def test_a_named_agent_comes_first(trades: tuple[Agent, ...]) -> None:
    agents = [*trades, Agent("site-manager", description="Plans the works.")]
    matcher = AgentMatcher(agents, encoder=HashingEncoder())
    matcher.tune(requests_for(list(TRADES), 8))
    result = matcher.match("ask site-manager whether the oven dough is on time")
    assert result.ranking[0].agent.name == "site-manager"


def test_wrong_labels_are_listed(matcher: AgentMatcher) -> None:
    requests = requests_for(list(TRADES), 30, none=25)
    swapped = LabelledRequest("swapped", requests[60].text + " please", ("plumber",), "train")
    report = matcher.tune([*requests, swapped])
    listed = {doubt.id: doubt for doubt in report.doubtful}
    assert listed["swapped"].suggested == "baker"
    assert listed["swapped"].labelled == ("plumber",)
    # The request that it copies looks as doubtful, but no other one does.
    assert set(listed) <= {"swapped", requests[60].id}


def test_a_worse_head_than_the_former_is_told_apart(matcher: AgentMatcher) -> None:
    dev = requests_for(list(TRADES), 6, seed=7, split="dev")
    assert matcher.tune(requests_for(list(TRADES), 12), dev).better
    generator = random.Random(3)
    noise = [
        LabelledRequest(request.id, request.text, (generator.choice(list(TRADES)),))
        for request in requests_for(list(TRADES), 6)
    ]
    assert not matcher.tune(noise, dev).better


def test_tuning_is_deterministic_and_uses_the_seed(trades: tuple[Agent, ...]) -> None:
    requests = requests_for(list(TRADES), 6, none=6)
    found = []
    for seed in (None, None, 4):
        matcher = AgentMatcher(trades, encoder=HashingEncoder())
        report = matcher.tune(requests, seed=seed)
        found.append((report.after, matcher.match("oven dough today").ranking[0].score))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_more_requests_than_the_limit_are_thinned_evenly(
    matcher: AgentMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentmatch.tuning.fit.MAX_EXAMPLES", 20)
    report = matcher.tune(requests_for(list(TRADES), 12))
    assert report.requests == 20
    assert report.agents_with_examples == 5
    assert "only 20 of 60" in report.notes[0]


@pytest.mark.parametrize("none", [0, 6])
def test_one_agent_alone_can_be_tuned(none: int) -> None:
    matcher = AgentMatcher([trade("baker")], encoder=HashingEncoder())
    matcher.tune(requests_for(["baker"], 6, none=none))
    assert matcher.match("oven dough").ranking[0].agent.name == "baker"


def test_a_single_labelled_request_is_enough(matcher: AgentMatcher) -> None:
    matcher.tune([LabelledRequest("1", "oven dough", ("baker",))])
    assert matcher.match("oven dough").ranking[0].agent.name == "baker"


def test_labels_must_be_agents(matcher: AgentMatcher) -> None:
    with pytest.raises(UnknownAgentError, match="did you mean baker"):
        matcher.tune([LabelledRequest("1", "oven dough", ("bakre",))])
    with pytest.raises(InvalidRequestError, match="no labelled request has an agent"):
        matcher.tune([LabelledRequest("1", "oven dough", ())])


def test_explain_shows_what_was_learned(matcher: AgentMatcher) -> None:
    matcher.tune(requests_for(list(TRADES), 12))
    explanation = matcher.explain("yeast in the dough", "baker")
    shares = {signal.name: signal.share for signal in explanation.signals}
    assert shares["labelled_requests"] == max(shares.values())
    assert sum(shares.values()) == pytest.approx(explanation.match.score, abs=1e-4)


def test_a_head_of_another_encoder_is_refused(matcher: AgentMatcher) -> None:
    matcher.tune(requests_for(list(TRADES), 4))
    other = AgentMatcher(matcher.agents, encoder=HashingEncoder(salt="other"))
    with pytest.raises(InvalidRequestError, match="another encoder"):
        other.use_head(matcher.head)


def test_quality_counts_refused_requests_as_wrong() -> None:
    gold = np.array([[1, 0], [0, 1], [1, 0], [0, 0], [0, 0]], dtype=np.bool_)
    first = np.array([0, 1, 1, 0, 0])
    confidence = np.array([0.9, 0.8, 0.6, 0.5, 0.1])
    refused = np.array([False, True, False, True, False])
    quality = measure(first, confidence, 1 - confidence, refused, gold)
    assert quality.accuracy == pytest.approx(2 / 3)
    assert quality.answered == pytest.approx(1 / 3)
    assert (quality.none_recall, quality.none_precision) == (0.5, 0.5)
    assert quality.auroc == 1.0
    assert quality.handled == pytest.approx(2 / 5)


def test_calibration_error_is_zero_where_confidence_is_the_share_of_right_answers() -> None:
    confidence = np.repeat([0.25, 0.75], 4)
    right = np.array([1, 0, 0, 0, 1, 1, 1, 0], dtype=np.bool_)
    assert calibration_error(confidence, right) == pytest.approx(0)
    assert calibration_error(confidence, ~right) == pytest.approx(0.5)
