"""Metrics against independent oracles: ir_measures, scikit-learn, enumeration."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmatch.evaluation.metrics import (
    METRICS,
    Interval,
    auroc,
    bootstrap_means,
    mean_metrics,
    mean_with_interval,
    per_request_metrics,
    percentiles,
    randomisation_p_value,
    set_metrics,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ir_measures = pytest.importorskip("ir_measures")
    sklearn_metrics = pytest.importorskip("sklearn.metrics")

AGENTS = [f"agent-{number:02}" for number in range(15)]

rankings = st.lists(st.sampled_from(AGENTS), unique=True, max_size=15)
golds = st.sets(st.sampled_from(AGENTS), min_size=1, max_size=12)

ORACLE = {
    "accuracy@1": "P@1",
    "mrr@10": "RR@10",
    "ndcg@10": "nDCG@10",
    "rprec": "Rprec",
    **{f"recall@{k}": f"R@{k}" for k in (1, 3, 5, 10)},
    **{f"precision@{k}": f"P@{k}" for k in (1, 3, 5, 10)},
    **{f"success@{k}": f"Success@{k}" for k in (1, 3, 5, 10)},
}


def oracle_means(pairs: list[tuple[list[str], set[str]]]) -> dict[str, float]:
    qrels = {str(i): dict.fromkeys(gold, 1) for i, (_, gold) in enumerate(pairs)}
    # A request without a ranking is missing from the run, as a failed one would be.
    run = {
        str(i): {name: 100.0 - rank for rank, name in enumerate(ranking)}
        for i, (ranking, _) in enumerate(pairs)
        if ranking
    }
    if not run:
        return dict.fromkeys(ORACLE, 0.0)
    measures = {name: ir_measures.parse_measure(text) for name, text in ORACLE.items()}
    found = ir_measures.calc_aggregate(set(measures.values()), qrels, run)
    return {name: found[measure] for name, measure in measures.items()}


@settings(deadline=None)
@given(st.lists(st.tuples(rankings, golds), min_size=1, max_size=6))
def test_means_equal_those_of_ir_measures(pairs: list[tuple[list[str], set[str]]]) -> None:
    rows = [per_request_metrics(ranking, gold) for ranking, gold in pairs]
    ours = mean_metrics(rows, resamples=2)
    expected = oracle_means(pairs)
    for name in ORACLE:
        if name != "rprec":
            assert ours[name].value == pytest.approx(expected[name]), name


@settings(deadline=None)
@given(rankings.filter(bool), golds.filter(lambda gold: len(gold) > 1))
def test_r_precision_equals_that_of_ir_measures(ranking: list[str], gold: set[str]) -> None:
    ours = per_request_metrics(ranking, gold)["rprec"]
    assert ours == pytest.approx(oracle_means([(ranking, gold)])["rprec"])


@given(st.sets(st.sampled_from(AGENTS)), golds)
def test_sets_equal_those_of_sklearn(accepted: set[str], gold: set[str]) -> None:
    truth = [name in gold for name in AGENTS]
    guess = [name in accepted for name in AGENTS]
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        truth, guess, average="binary", zero_division=0
    )
    ours = set_metrics(accepted, gold)
    assert ours["set_precision"] == pytest.approx(precision)
    assert ours["set_recall"] == pytest.approx(recall)
    assert ours["set_f1"] == pytest.approx(f1)
    assert ours["exact_set"] == float(truth == guess)


def test_values_worked_out_by_hand() -> None:
    metrics = per_request_metrics(["x", "a", "y", "b"], {"a", "b"})
    assert metrics["accuracy@1"] == 0
    assert metrics["recall@3"] == 0.5
    assert metrics["precision@10"] == 0.2
    assert metrics["success@3"] == 1
    assert metrics["mrr@10"] == 0.5
    ideal = 1 + 1 / np.log2(3)
    assert metrics["ndcg@10"] == pytest.approx((1 / np.log2(3) + 1 / np.log2(5)) / ideal)
    assert metrics["rprec"] == 0.5
    assert metrics["exact_set"] == 0


def test_one_right_agent_has_no_set_metrics() -> None:
    assert "rprec" not in per_request_metrics(["a"], {"a"})


def test_empty_ranking_counts_zero() -> None:
    metrics = per_request_metrics([], {"a", "b"})
    assert set(metrics.values()) == {0.0}
    refusals = {"auroc", "answered_accuracy", "none_recall", "none_precision"}
    assert {*metrics, *refusals} == set(METRICS)


@pytest.mark.parametrize(("ranking", "gold"), [(["a"], set()), (["a", "a"], {"a"})])
def test_what_has_no_metrics_is_refused(ranking: list[str], gold: set[str]) -> None:
    with pytest.raises(ValueError):
        per_request_metrics(ranking, gold)


def test_set_without_right_agents_is_refused() -> None:
    with pytest.raises(ValueError, match="no agent fits"):
        set_metrics({"a"}, set())


scores = st.lists(st.integers(0, 6).map(lambda n: n / 4), min_size=1, max_size=30)


@given(scores, scores)
def test_auroc_equals_that_of_sklearn(positive: list[float], negative: list[float]) -> None:
    truth = [1] * len(positive) + [0] * len(negative)
    expected = sklearn_metrics.roc_auc_score(truth, positive + negative)
    assert auroc(positive, negative) == pytest.approx(expected)


@pytest.mark.parametrize(("positive", "negative"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0])])
def test_auroc_needs_both_kinds(positive: list[float], negative: list[float]) -> None:
    with pytest.raises(ValueError):
        auroc(positive, negative)


def test_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    held = 0
    for seed in range(200):
        interval = mean_with_interval(generator.random(80) < 0.6, seed, resamples=400)
        held += interval.low <= 0.6 <= interval.high
    assert 0.90 <= held / 200 <= 0.99


def test_interval_has_the_width_of_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, size=500)
    interval = mean_with_interval(values)
    margin = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * margin, rel=0.1)


def test_interval_depends_on_the_seed_alone() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    assert mean_with_interval(values, 3) == mean_with_interval(values, 3)
    assert (bootstrap_means(values, 3, 50) != bootstrap_means(values, 4, 50)).any()


def test_interval_of_equal_values_is_a_point() -> None:
    assert mean_with_interval([0.5, 0.5]) == Interval(0.5, 0.5, 0.5)


def test_bootstrap_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap_means([0.0, 1.0, 1.0], 5, 40)
    monkeypatch.setattr("agentmatch.evaluation.metrics._BLOCK", 30)
    assert bootstrap_means([0.0, 1.0, 1.0], 5, 40).tolist() == whole.tolist()


@pytest.mark.parametrize("values", [[], [[1.0]]])
def test_interval_of_nothing_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="one or more numbers"):
        mean_with_interval(values)


@pytest.mark.parametrize("differences", [[1, 1, -1, 0, 1, 1], [0.5, 0.25, -0.1], [1] * 8])
def test_randomisation_test_approaches_the_exact_one(differences: list[float]) -> None:
    numbers = np.array(differences, dtype=float)
    patterns = np.array(list(itertools.product([-1, 1], repeat=len(numbers))))
    exact = (np.abs(patterns @ numbers) >= abs(numbers.sum()) - 1e-9).mean()
    assert randomisation_p_value(differences, 0, 20_000) == pytest.approx(exact, abs=0.01)


def test_randomisation_test_of_equal_runs() -> None:
    assert randomisation_p_value([0.0, 0.0], 0, 100) == 1.0


def test_percentiles_are_interpolated() -> None:
    assert percentiles([1, 2, 3, 4], [50, 100]) == (2.5, 4.0)
