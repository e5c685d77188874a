"""Fit the few weights that turn evidence into scores and probabilities (SciPy)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmatch.calibration import LogisticModel
from agentmatch.tuning.head import COMBINATION_PARTS, Combination, Evidence

Values = NDArray[np.float64]

PRIOR = Combination(trained=12.0, zero_shot=12.0, untried_zero_shot=6.0, untried=0.0, named=12.0)
"""Weights of a score where the labelled requests say nothing.

A named agent comes first, as without tuning; the others are round numbers near what
clinc150's dev requests give."""

PRIOR_SPREAD = 8.0
"""How far weights stray from the prior for one nat of log-likelihood (a Gaussian's
standard deviation): a handful of requests moves them little, hundreds decide."""

LEAST_ZERO_SHOT = 1.0
"""The zero-shot score never drops out: agents that are added later live by it."""

LOGISTIC_PENALTY = 1.0
"""Ridge on the weights of standardised features, as scikit-learn's C = 1."""


def fit_combination(evidence: Evidence, gold: NDArray[np.bool_]) -> Combination:
    """Fit the weights of a score: multinomial logistic regression over agents.

    Args:
        evidence: What is known of n requests.
        gold: bool [n, agents]; rows without a right agent are left out, several right
            agents share the probability.

    Returns:
        The weights; all but `untried` are 0 or more, `zero_shot` is never 0.
    """
    from scipy.optimize import minimize

    rows = np.flatnonzero(gold.any(axis=1))
    prior = np.array([getattr(PRIOR, name) for name in COMBINATION_PARTS])
    if not len(rows):
        return PRIOR
    parts = [part.astype(np.float64) for part in evidence.take(rows).parts().values()]
    right = gold[rows]

    def loss(weights: Values) -> tuple[float, Values]:
        logits = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        shares = _softmax(logits)
        mass = np.where(right, shares, 0)
        total = np.maximum(mass.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        # The gradient pulls towards the right agents, by their shares among themselves.
        pull = shares - mass / total
        gradient = np.array([float((pull * part).sum()) for part in parts])
        off = (weights - prior) / PRIOR_SPREAD
        value = -float(np.log(total).sum()) + 0.5 * float(off @ off)
        return value, gradient + off / PRIOR_SPREAD

    lowest = {"untried": None, "zero_shot": LEAST_ZERO_SHOT}
    bounds = [(lowest.get(name, 0.0), None) for name in COMBINATION_PARTS]
    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds)
    return Combination(*(float(weight) for weight in found.x))


def fit_logistic(
    features: Mapping[str, Values], labels: NDArray[np.bool_], weights: Values | None = None
) -> LogisticModel:
    """Fit a logistic regression whose weights are 0 or more.

    Fixed signs keep it sane on few examples: more evidence never lowers a probability.

    Args:
        features: For each feature float64 [n].
        labels: bool [n].
        weights: How much each example counts; alike where left out.

    Returns:
        The model; without examples, one that always says a half.
    """
    from scipy.optimize import minimize

    if not len(labels):
        return LogisticModel(0.0, dict.fromkeys(features, 0.0))
    counts = np.ones(len(labels)) if weights is None else weights
    names = list(features)
    matrix = np.column_stack([features[name] for name in names])
    centre = np.average(matrix, axis=0, weights=counts)
    spread = np.sqrt(np.average((matrix - centre) ** 2, axis=0, weights=counts))
    spread[spread < 1e-9] = 1.0
    scaled = (matrix - centre) / spread
    signs = np.where(labels, 1.0, -1.0)
    # Half an example of either kind, so that one kind alone gives no infinite bias.
    share = (counts[labels].sum() + 0.5) / (counts.sum() + 1)

    def loss(values: Values) -> tuple[float, Values]:
        margins = signs * (scaled @ values[1:] + values[0])
        pull = -signs * counts * 0.5 * (1 - np.tanh(margins / 2))
        gradient = np.concatenate([[pull.sum()], pull @ scaled])
        value = float(counts @ np.logaddexp(0, -margins))
        # The bias is held as weakly as half an example of either kind would.
        gradient[0] += 1 / (1 + np.exp(-values[0])) - 0.5
        value += 0.5 * float(np.logaddexp(0, values[0]) + np.logaddexp(0, -values[0]))
        gradient[1:] += LOGISTIC_PENALTY * values[1:]
        return value + 0.5 * LOGISTIC_PENALTY * float(values[1:] @ values[1:]), gradient

    start = np.concatenate([[np.log(share / (1 - share))], np.zeros(len(names))])
    bounds = [(None, None), *[(0.0, None)] * len(names)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    slopes = found[1:] / spread
    return LogisticModel(
        float(found[0] - slopes @ centre),
        {name: float(slope) for name, slope in zip(names, slopes, strict=True)},
    )


def _softmax(logits: Any) -> Values:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)
