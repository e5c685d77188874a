"""The fit of confidences, on made-up answers and against scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("scipy.optimize")
    linear_model = pytest.importorskip("sklearn.linear_model")

from agentmatch.features import REQUEST_FEATURES
from benchmarks.calibration import (
    LOSS,
    Answers,
    CalibrationSet,
    bars,
    fit,
    fit_logistic,
    measure,
    measure_left_out,
)


def made_up(seed: int, n: int = 600) -> Answers:
    generator = np.random.default_rng(seed)
    fits = generator.random(n) < 0.8
    request = {name: np.zeros(n) for name in REQUEST_FEATURES}
    request["whole_text"] = generator.normal(0.3 + 0.3 * fits, 0.1)
    request["top_passages"] = generator.normal(0.3 + 0.2 * fits, 0.1)
    request["words"] = generator.normal(0.5, 0.1, n)
    lead = np.abs(generator.normal(0, 0.1, n)).clip(0, 0.3)
    right = fits & (generator.random(n) < 0.3 + 2 * lead)
    agents = {"lead": lead[:, np.newaxis], "log_share": np.log(0.3 + lead)[:, np.newaxis]}
    return Answers(request, agents, right, fits)


def made_up_set(name: str, seed: int) -> CalibrationSet:
    return CalibrationSet(name, name, made_up(seed), made_up(seed + 100))


def test_a_fit_has_the_proportions_of_ridge_regression() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(400, 2))
    labels = generator.random(400) < 1 / (1 + np.exp(-(2 * rows[:, 0] + rows[:, 1] - 0.5)))
    model = fit_logistic(("a", "b"), rows, labels, np.ones(400))
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    # Its penalty is |w|^2 / 2C on the sum of 400 losses, ours 0.02 |w|^2 on their mean.
    ridge = linear_model.LogisticRegression(C=1 / (2 * 0.02 * 400), tol=1e-9)
    ridge.fit(standard, labels)
    slopes = ridge.coef_[0] / rows.std(axis=0)
    assert model.weights["a"] / model.weights["b"] == pytest.approx(slopes[0] / slopes[1], rel=1e-3)
    # Along that direction nothing is shrunk.
    along = (rows @ slopes)[:, np.newaxis]
    plain = linear_model.LogisticRegression(C=1e9, tol=1e-9).fit(along, labels)
    assert model.weights["a"] == pytest.approx(plain.coef_[0, 0] * slopes[0], rel=1e-3)
    assert model.bias == pytest.approx(plain.intercept_[0], abs=1e-3)


def test_a_feature_that_speaks_against_gets_no_weight() -> None:
    rows = np.random.default_rng(1).normal(size=(300, 2))
    model = fit_logistic(("a", "b"), rows, rows[:, 0] - rows[:, 1] > 0, np.ones(300))
    assert model.weights["a"] > 0
    assert model.weights["b"] == 0


def test_a_fit_is_calibrated_on_a_set_of_the_same_kind() -> None:
    sets = [made_up_set("a", 0), made_up_set("b", 1), made_up_set("c", 2)]
    row = measure_left_out(sets[0], sets)
    assert row["splits"] == "test"
    assert row["auroc_none"] > 0.95
    assert row["ece"] < 0.09
    calibration = fit(sets, "print")
    assert calibration.encoder_fingerprint == "print"
    chosen = next(
        entry for entry in bars(sets, calibration) if entry["max_none"] == calibration.max_none
    )
    assert max(chosen["right_refused"].values()) <= LOSS


def test_what_a_set_does_not_define_is_left_out() -> None:
    answers = made_up(3)
    everywhere = Answers(answers.request, answers.agents, answers.right, np.ones(600, dtype=bool))
    row = measure(everywhere, fit([made_up_set("a", 0)], ""))
    assert "auroc_none" not in row
    assert row["none"] == 0
