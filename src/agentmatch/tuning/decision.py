"""Fit the weights of scores, the probabilities and the bar for "no agent fits"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agentmatch.tuning.examples import Rows, spread_sample
from agentmatch.tuning.head import (
    Decision,
    Evidence,
    agent_features,
    request_features,
    some_agent_fits,
    untried_features,
    weigh,
)
from agentmatch.tuning.logistic import fit_combination, fit_logistic
from agentmatch.tuning.probes import Probes
from agentmatch.tuning.report import Quality, measure

FOLDS = 5
"""Parts of the judged requests that the weights are fitted without, in turn."""

MAX_CELLS = 300_000
"""Requests times agents that the weights of a score are fitted on."""

MIN_NONE = 20
"""Labelled requests that no agent fits, below which requests of hidden agents join."""

ASSUMED_NONE = 0.05
"""Share of requests that no agent fits where hidden agents stand in for them."""

MAX_LOST = 0.015
"""Share of the rightly answered requests that the bar for "no agent fits" may cost."""

LEAST_BAR = 0.2
"""No request is refused where it is more likely than four to one that some agent fits;
few labelled requests can make a head too sure of itself."""

MAX_LOST_UNLABELLED = 0.005
"""The same where no labelled request says what does not fit."""


def fit_decision(
    rows: Rows, extra: Rows | None, probes: Probes, generator: np.random.Generator
) -> Decision:
    """Fit weights, probabilities and the bar to requests that the kernel fit has not seen."""
    limit = max(500, MAX_CELLS // rows.gold.shape[1])
    rows = rows.take(spread_sample(rows.gold, limit, generator, keep_none=True))
    untried = probes.present.take(spread_sample(probes.present.gold, limit, generator))
    combination = fit_combination(
        Evidence.join([rows.evidence, untried.evidence]),
        np.concatenate([rows.gold, untried.gold]),
    )
    # Whether any agent fits: labelled requests where there are enough that none fits.
    known = rows if extra is None else Rows.join([rows, extra])
    weights = np.ones(len(known.gold))
    labels = np.asarray(known.gold.any(axis=1))
    enough = enough_none(rows, extra)
    if not enough and len(probes.gone.gold):
        known = Rows.join([known, probes.gone])
        wanted = ASSUMED_NONE / (1 - ASSUMED_NONE) * labels.sum()
        weights = np.concatenate(
            [weights, np.full(len(probes.gone.gold), wanted / len(probes.gone.gold))]
        )
        labels = np.concatenate([labels, np.zeros(len(probes.gone.gold), dtype=np.bool_)])
    logits = weigh(known.evidence, combination)[0]
    fits = fit_logistic(request_features(known.evidence, logits), labels, weights)
    # Whether an agent without examples fits: requests of hidden agents against the others.
    logits = weigh(probes.present.evidence, combination)[0]
    described = untried_features(probes.present.evidence, logits)
    there = np.flatnonzero(np.isfinite(described["score"]))
    hidden = probes.present.evidence.lack == 1
    theirs = np.asarray(np.any(probes.present.gold & hidden, axis=1))
    untried_fits = fit_logistic(
        {name: values[there] for name, values in described.items()}, theirs[there]
    )
    logits = weigh(rows.evidence, combination)[0]
    probability = some_agent_fits(rows.evidence, logits, fits, untried_fits)
    first = logits.argmax(axis=1)
    correct = np.asarray(rows.gold[np.arange(len(first)), first])
    features = agent_features(logits, probability)
    right = fit_logistic(
        {
            "share": np.take_along_axis(features["share"], first[:, np.newaxis], axis=1)[:, 0],
            "fits": features["fits"][:, 0],
        },
        correct,
    )
    return Decision(combination, fits, untried_fits, right, max_none=1.0)


def cross_fit(
    rows: Rows,
    extra: Rows | None,
    probes: Probes,
    enough: bool,
    generator: np.random.Generator,
) -> tuple[Quality, NDArray[np.float64], float]:
    """Judge each request with weights, and by a bar, that were fitted without it.

    Returns:
        The quality, each agent's confidence, float64 [requests, agents], and the bar
        that follows from all requests.
    """
    folds = np.empty(len(rows.gold), dtype=np.int64)
    # Requests that some agent fits and others are spread over the folds alike.
    for kind in (True, False):
        members = np.flatnonzero(rows.gold.any(axis=1) == kind)
        folds[generator.permutation(members)] = np.arange(len(members)) % FOLDS
    first = np.zeros(len(folds), dtype=np.int64)
    none = np.zeros(len(folds))
    confidences = np.zeros(rows.gold.shape)
    for fold in range(FOLDS):
        asked, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if not len(asked):
            continue
        fitted_on = rows.take(others) if len(others) else rows
        decision = fit_decision(fitted_on, extra, probes.without(rows.source[asked]), generator)
        judgement = decision.judge(rows.evidence.take(asked))
        first[asked] = judgement.scores.argmax(axis=1)
        none[asked] = judgement.none
        confidences[asked] = judgement.confidences
    every = np.arange(len(first))
    correct = rows.gold[every, first]
    refused = np.zeros(len(first), dtype=np.bool_)
    for fold in range(FOLDS):
        others = correct & (folds != fold)
        refused[folds == fold] = none[folds == fold] > _bar(none[others], enough)
    quality = measure(first, confidences[every, first], none, refused, rows.gold)
    return quality, confidences, _bar(none[correct], enough)


def _bar(none: NDArray[np.float64], enough: bool) -> float:
    """Return the probability of "no agent fits" that few rightly answered requests exceed."""
    if not len(none):
        return 1.0
    quantile = np.quantile(none, 1 - (MAX_LOST if enough else MAX_LOST_UNLABELLED))
    return max(LEAST_BAR, float(quantile))


def enough_none(rows: Rows, extra: Rows | None) -> bool:
    """Tell whether labelled requests show well enough what no agent fits."""
    found = int((~rows.gold.any(axis=1)).sum())
    return found + (0 if extra is None else len(extra.gold)) >= MIN_NONE
