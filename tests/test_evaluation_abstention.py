"""Metrics of confidence and refusal, against scikit-learn and plain loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmatch.evaluation.abstention import (
    abstention_metrics,
    area_under_risk_coverage,
    brier_score,
    expected_calibration_error,
    false_positive_rate,
    refusal_metrics,
    reliability,
    risk_coverage,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sklearn_metrics = pytest.importorskip("sklearn.metrics")

answers = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.75, 1.0]), st.booleans()),
    min_size=1,
    max_size=60,
)


def split(pairs: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


@settings(max_examples=100)
@given(answers)
def test_brier_equals_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    confidences, right = split(pairs)
    expected = sklearn_metrics.brier_score_loss(right, confidences, pos_label=True)
    assert brier_score(confidences, right) == pytest.approx(expected)


@settings(max_examples=100)
@given(answers, st.integers(1, 20))
def test_calibration_error_equals_a_loop_over_bins(
    pairs: list[tuple[float, bool]], bins: int
) -> None:
    confidences, right = split(pairs)
    order = sorted(range(len(pairs)), key=lambda i: confidences[i])
    bins = min(bins, len(order))
    sizes = [len(order) // bins + (number < len(order) % bins) for number in range(bins)]
    expected, start = 0.0, 0
    for size in sizes:
        part = order[start : start + size]
        start += size
        gap = sum(confidences[i] for i in part) - sum(right[i] for i in part)
        expected += abs(gap) / len(order)
    assert expected_calibration_error(confidences, right, bins) == pytest.approx(expected)
    assert sum(part.n for part in reliability(confidences, right, bins)) == len(pairs)


def test_calibration_error_of_known_cases() -> None:
    assert expected_calibration_error([0.5] * 4, [1, 0, 1, 0], 1) == 0
    assert expected_calibration_error([1.0] * 4, [0, 0, 0, 0]) == 1


def test_reliability_curve_equals_scikit_learn() -> None:
    from sklearn.calibration import calibration_curve

    generator = np.random.default_rng(0)
    confidences = generator.random(1500)
    right = generator.random(1500) < confidences**2
    share, mean = calibration_curve(right, confidences, n_bins=15, strategy="quantile")
    found = reliability(confidences, right)
    np.testing.assert_allclose([part.accuracy for part in found], share, atol=1e-12)
    np.testing.assert_allclose([part.confidence for part in found], mean, atol=1e-12)


@settings(max_examples=100)
@given(answers)
def test_risk_coverage_equals_a_loop_over_bars(pairs: list[tuple[float, bool]]) -> None:
    confidences, right = split(pairs)
    coverages, risks = risk_coverage(confidences, right)
    bars = sorted(set(confidences), reverse=True)
    assert len(coverages) == len(bars)
    area, covered = 0.0, 0.0
    for bar, coverage, risk in zip(bars, coverages, risks, strict=True):
        kept = confidences >= bar
        assert coverage == pytest.approx(kept.mean())
        assert risk == pytest.approx((~right[kept]).mean())
        area += (kept.mean() - covered) * (~right[kept]).mean()
        covered = kept.mean()
    assert area_under_risk_coverage(confidences, right) == pytest.approx(area)


def test_surer_right_answers_have_the_smaller_area() -> None:
    right = [True, True, False, False]
    assert area_under_risk_coverage([0.9, 0.8, 0.2, 0.1], right) < area_under_risk_coverage(
        [0.1, 0.2, 0.8, 0.9], right
    )


@settings(max_examples=100)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
)
def test_false_positive_rate_equals_scikit_learn(kept: list[int], other: list[int]) -> None:
    rates, recalls, _ = sklearn_metrics.roc_curve(
        [1] * len(kept) + [0] * len(other), [*kept, *other], drop_intermediate=False
    )
    expected = rates[np.flatnonzero(recalls >= 0.95 - 1e-12)[0]]
    assert false_positive_rate(kept, other) == pytest.approx(expected)


def test_refusals_equal_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    fits, refused = generator.random(200) < 0.7, generator.random(200) < 0.3
    right = fits & (generator.random(200) < 0.6)
    found = refusal_metrics(fits, right, refused)
    assert found["none_recall"] == pytest.approx(sklearn_metrics.recall_score(~fits, refused))
    assert found["none_precision"] == pytest.approx(sklearn_metrics.precision_score(~fits, refused))
    assert found["answered_accuracy"] == pytest.approx((right & ~refused).sum() / fits.sum())


def test_only_what_is_defined_is_measured() -> None:
    assert refusal_metrics([True], [True], [False]) == {"answered_accuracy": 1.0}
    assert refusal_metrics([False], [False], [False]) == {"none_recall": 0.0}


def test_all_metrics_of_a_run() -> None:
    fits = np.array([True] * 8 + [False] * 4)
    right = np.array([True] * 5 + [False] * 7)
    confidences = np.linspace(0.95, 0.1, 12)
    none = np.linspace(0.05, 0.9, 12)
    found = abstention_metrics(
        fits=fits, right=right, confidences=confidences, none=none, refused=none > 0.7
    )
    assert found["auroc"].value == sklearn_metrics.roc_auc_score(~fits, none) == 1
    assert found["fpr@95tpr"].value == 0
    assert found["none_recall"].value == 0.75
    assert found["none_precision"].value == 1
    assert found["ece"].value == pytest.approx(expected_calibration_error(confidences, right))
    assert all(interval.low <= interval.value <= interval.high for interval in found.values())


@pytest.mark.parametrize(
    ("confidences", "right"), [([], []), ([0.5], [True, False]), ([1.5], [True]), ([-0.1], [True])]
)
def test_what_is_no_list_of_probabilities_is_refused(
    confidences: list[float], right: list[bool]
) -> None:
    with pytest.raises(ValueError):
        brier_score(confidences, right)


def test_both_kinds_are_needed() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        false_positive_rate([1.0], [])
