"""Fit a head to labelled requests and measure it on requests it was not fitted on.

Three things are fitted, each on what the one before says of requests it has not seen:

1. the kernel fit, on the labelled requests;
2. the weights of the score, on left-out scores of the same requests or on dev requests,
   and on requests of agents whose examples were all hidden, which is how an agent that
   joins the catalogue later will look;
3. the probabilities and the bar for "no agent fits", likewise. Without labelled requests
   that no agent fits, those of agents taken out of the catalogue stand in for them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agentmatch.tuning.head import (
    Decision,
    Evidence,
    TunedHead,
    agent_features,
    lack_of_examples,
    nearest_similarity,
    request_features,
    some_agent_fits,
    untried_features,
    weigh,
)
from agentmatch.tuning.kernel_ridge import (
    KernelSettings,
    fit_kernel_ridge,
    kernel_scores,
    term_coefficients,
)
from agentmatch.tuning.logistic import fit_combination, fit_logistic
from agentmatch.tuning.report import DoubtfulLabel, Quality, TuningReport, measure
from agentmatch.tuning.terms import SparseRows, bucket_weights, count_terms, weigh_terms

SETTINGS = KernelSettings(sharpness=2.0, term_share=0.25, ridge=0.1)
"""The kernel. Chosen on clinc150's dev requests, with 10, 15 and 40 examples an intent;
half or double of each value costs at most half a point."""

MAX_EXAMPLES = 16_384
"""Labelled requests that are learned from; the fit takes memory as their square, 1 GB
for this many."""

PROBES = 2_000
"""Labelled requests that play those of agents without examples."""

PROBE_FOLDS = 5
"""Parts of the agents that are hidden in turn."""

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

MAX_LOST_UNLABELLED = 0.005
"""The same where no labelled request says what does not fit."""

NOISE_CONFIDENCE = 0.9
"""A label is doubtful where another agent has this probability without the request."""

NOISE_LABEL = 0.05
"""And where the labelled agents have less than this."""

SEED = 20261125
"""Draws folds and samples."""


@dataclass(frozen=True)
class Answers:
    """Hold what requests were answered without a head, each [requests].

    Attributes:
        first: int64, position of the first agent.
        confidence: float64, its confidence.
        none: float64, the probability that no agent fits.
        refused: bool, whether the answer was that none fits.
    """

    first: NDArray[np.int64]
    confidence: NDArray[np.float64]
    none: NDArray[np.float64]
    refused: NDArray[np.bool_]


@dataclass(frozen=True)
class Examples:
    """Hold labelled requests as arrays.

    Attributes:
        ids: Their ids.
        texts: Their texts.
        vectors: float32 [requests, dimension].
        fused: float32 [requests, agents], zero-shot scores.
        named: bool [requests, agents], agents that the request names.
        gold: bool [requests, agents], the right agents.
        before: What they are answered without a head.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    vectors: NDArray[np.float32]
    fused: NDArray[np.float32]
    named: NDArray[np.bool_]
    gold: NDArray[np.bool_]
    before: Answers

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: NDArray[np.int64]) -> Examples:
        """Return some of them."""
        before = self.before
        return Examples(
            [self.ids[row] for row in rows],
            [self.texts[row] for row in rows],
            self.vectors[rows],
            self.fused[rows],
            self.named[rows],
            self.gold[rows],
            Answers(
                before.first[rows],
                before.confidence[rows],
                before.none[rows],
                before.refused[rows],
            ),
        )


@dataclass(frozen=True)
class _Rows:
    """Hold judged requests: what is known of them and what is right.

    `source` is the row of the train request that each is, or -1.
    """

    evidence: Evidence
    gold: NDArray[np.bool_]
    source: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> _Rows:
        return _Rows(self.evidence.take(rows), self.gold[rows], self.source[rows])

    def without(self, sources: NDArray[np.int64]) -> _Rows:
        """Return the requests that are none of these train requests."""
        sources = sources[sources >= 0]
        return self.take(np.flatnonzero(~np.isin(self.source, sources)))

    @classmethod
    def join(cls, parts: Sequence[_Rows]) -> _Rows:
        return cls(
            Evidence.join([part.evidence for part in parts]),
            np.concatenate([part.gold for part in parts]),
            np.concatenate([part.source for part in parts]),
        )


@dataclass(frozen=True)
class _Probes:
    """Hold requests as they look to a head that has not heard of some agents.

    `present`: those agents are in the catalogue, without examples. `gone`: requests of
    those agents, which are not in the catalogue.
    """

    present: _Rows
    gone: _Rows

    def without(self, sources: NDArray[np.int64]) -> _Probes:
        return _Probes(self.present.without(sources), self.gone.without(sources))


def fit_head(
    names: Sequence[str],
    train: Examples,
    dev: Examples | None = None,
    *,
    encoder_fingerprint: str,
    settings: KernelSettings = SETTINGS,
    seed: int = SEED,
) -> tuple[TunedHead, TuningReport]:
    """Fit a head and measure it.

    Args:
        names: The catalogue's agents, in the order of the arrays' columns.
        train: Labelled requests to learn from; one at least that some agent fits.
        dev: Labelled requests on which weights and bar are fitted and the head is
            judged; left-out train requests where there are none.
        encoder_fingerprint: The encoder of the vectors.
        settings: The kernel.
        seed: Draws folds and samples.

    Returns:
        The head and the report.

    Raises:
        ValueError: No train request has a right agent.
    """
    start = time.perf_counter()
    if not train.gold.any():
        raise ValueError("no labelled request has a right agent")
    generator = np.random.default_rng(seed)
    notes = []
    total = len(train)
    train = train.take(_limit(train.gold, MAX_EXAMPLES, generator))
    if len(train) < total:
        notes.append(
            f"only {len(train):,} of {total:,} labelled requests were learned from, "
            "spread evenly over the agents"
        )
    kernel, left_out = _fit_kernel(train, settings)
    probes = _probe(train, settings, generator)
    if dev is None:
        rows, before = left_out, train.before
    else:
        rows = _evidence_of(dev, train, kernel, settings)
        before = dev.before
        # What no agent fits is rare; the left-out ones of train help to draw the line.
        spare = left_out.take(np.flatnonzero(~train.gold.any(axis=1)))
    extra = None if dev is None else spare
    enough = _enough_none(rows, extra)
    judged, confidences, bar = _cross_fit(rows, extra, probes, enough, generator)
    decision = replace(_fit_decision(rows, extra, probes, generator), max_none=bar)
    if not enough:
        notes.append(
            f"fewer than {MIN_NONE} labelled requests fit no agent (agents: []); requests of "
            "agents taken out of the catalogue stood in for them"
        )
    columns, counts = kernel.columns, train.gold.sum(axis=0)
    head = TunedHead(
        agents=tuple(names[column] for column in columns),
        examples=tuple(int(counts[column]) for column in columns),
        vectors=train.vectors,
        coefficients=kernel.coefficients,
        term_weights=kernel.term_weights,
        by_term=kernel.by_term,
        settings=settings,
        decision=decision,
        encoder_fingerprint=encoder_fingerprint,
        requests_hash=_hash(names, train),
    )
    report = TuningReport(
        requests=len(train),
        without_agent=int((~train.gold.any(axis=1)).sum()),
        agents=len(names),
        agents_with_examples=len(columns),
        judged_on="left-out requests" if dev is None else "dev requests",
        judged=len(rows.gold),
        before=measure(before.first, before.confidence, before.none, before.refused, rows.gold),
        after=judged,
        max_none=decision.max_none,
        doubtful=_doubtful(names, train, left_out, decision)
        if dev is not None
        else _doubtful(names, train, left_out, decision, confidences),
        seconds=round(time.perf_counter() - start, 3),
        notes=tuple(notes),
    )
    return head, report


@dataclass(frozen=True)
class _Kernel:
    columns: NDArray[np.int64]
    coefficients: NDArray[np.float32]
    term_weights: NDArray[np.float32]
    by_term: NDArray[np.float32]


def _fit_kernel(train: Examples, settings: KernelSettings) -> tuple[_Kernel, _Rows]:
    """Fit the scores; also return the train requests as a fit without each sees them."""
    columns = np.flatnonzero(train.gold.any(axis=0))
    counts = count_terms(train.texts)
    term_weights = bucket_weights(counts)
    terms = weigh_terms(counts, term_weights)
    fit = fit_kernel_ridge(
        train.vectors, terms, train.gold[:, columns].astype(np.float32), settings
    )
    learned = np.zeros_like(train.fused)
    learned[:, columns] = fit.left_out
    evidence = Evidence(
        learned,
        train.fused,
        train.named,
        nearest_similarity(train.vectors, train.vectors, leave_out=True),
        # Without the request its own agents have one example less.
        lack_of_examples(train.gold.sum(axis=0) - train.gold.astype(np.int64)),
    )
    kernel = _Kernel(
        columns, fit.coefficients, term_weights, term_coefficients(terms, fit.coefficients)
    )
    return kernel, _Rows(evidence, train.gold, np.arange(len(train)))


def _evidence_of(
    requests: Examples, train: Examples, kernel: _Kernel, settings: KernelSettings
) -> _Rows:
    terms = weigh_terms(count_terms(requests.texts), kernel.term_weights)
    learned = np.zeros_like(requests.fused)
    learned[:, kernel.columns] = kernel_scores(
        requests.vectors, terms, train.vectors, kernel.coefficients, kernel.by_term, settings
    )
    lack = lack_of_examples(train.gold.sum(axis=0))
    evidence = Evidence(
        learned,
        requests.fused,
        requests.named,
        nearest_similarity(requests.vectors, train.vectors),
        np.broadcast_to(lack, requests.fused.shape),
    )
    return _Rows(evidence, requests.gold, np.full(len(requests), -1))


def _probe(train: Examples, settings: KernelSettings, generator: np.random.Generator) -> _Probes:
    """Hide the examples of some agents, part after part, and look at all requests again."""
    limit = max(PROBES // 4, min(PROBES, MAX_CELLS // train.gold.shape[1]))
    source = _limit(train.gold, limit, generator)
    sample = train.take(source)
    tried = np.flatnonzero(sample.gold.any(axis=0))
    counts = count_terms(sample.texts)
    terms = weigh_terms(counts, bucket_weights(counts))
    present, gone = [], []
    for hidden in np.array_split(generator.permutation(tried), min(PROBE_FOLDS, len(tried))):
        theirs = sample.gold[:, hidden].any(axis=1)
        kept, asked = np.flatnonzero(~theirs), np.flatnonzero(theirs)
        if not len(kept) or not len(asked):
            continue
        rows, taken_out = _hide(sample, terms, settings, hidden, kept, asked)
        present.append(_Rows(rows.evidence, rows.gold, source[rows.source]))
        gone.append(_Rows(taken_out.evidence, taken_out.gold, source[taken_out.source]))
    if not present:
        nobody = np.arange(0)
        empty = _Rows(
            Evidence(
                train.fused[nobody],
                train.fused[nobody],
                train.named[nobody],
                train.vectors[nobody, 0],
                train.fused[nobody],
            ),
            train.gold[nobody],
            nobody,
        )
        return _Probes(empty, empty)
    return _Probes(_Rows.join(present), _Rows.join(gone))


def _hide(
    sample: Examples,
    terms: SparseRows,
    settings: KernelSettings,
    hidden: NDArray[np.int64],
    kept: NDArray[np.int64],
    asked: NDArray[np.int64],
) -> tuple[_Rows, _Rows]:
    """Fit without the requests of some agents; see `_Probes` for what is returned."""
    targets = sample.gold[kept].astype(np.float32)
    fit = fit_kernel_ridge(sample.vectors[kept], terms.take(kept), targets, settings)
    by_term = term_coefficients(terms.take(kept), fit.coefficients)
    theirs = kernel_scores(
        sample.vectors[asked],
        terms.take(asked),
        sample.vectors[kept],
        fit.coefficients,
        by_term,
        settings,
    )
    order = np.concatenate([kept, asked])
    lack = lack_of_examples(sample.gold[kept].sum(axis=0))
    evidence = Evidence(
        np.concatenate([fit.left_out, theirs]),
        sample.fused[order],
        sample.named[order],
        np.concatenate(
            [
                nearest_similarity(sample.vectors[kept], sample.vectors[kept], leave_out=True),
                nearest_similarity(sample.vectors[asked], sample.vectors[kept]),
            ]
        ),
        np.broadcast_to(lack, sample.fused.shape),
    )
    rows = _Rows(evidence, sample.gold[order], order)
    out = rows.take(np.arange(len(kept), len(order)))
    # An agent that is not there scores nothing, and is not missed either.
    fused, named = out.evidence.fused.copy(), out.evidence.named.copy()
    fused[:, hidden] = fused.min(axis=1, keepdims=True)
    named[:, hidden] = False
    absent = Evidence(
        out.evidence.learned,
        fused,
        named,
        out.evidence.nearest,
        np.where(np.isin(np.arange(len(lack)), hidden), 0, out.evidence.lack).astype(np.float32),
    )
    return rows, _Rows(absent, np.zeros_like(out.gold), out.source)


def _fit_decision(
    rows: _Rows, extra: _Rows | None, probes: _Probes, generator: np.random.Generator
) -> Decision:
    """Fit weights, probabilities and the bar to requests that the kernel fit has not seen."""
    limit = max(500, MAX_CELLS // rows.gold.shape[1])
    rows = rows.take(_limit(rows.gold, limit, generator, keep_none=True))
    untried = probes.present.take(_limit(probes.present.gold, limit, generator))
    combination = fit_combination(
        Evidence.join([rows.evidence, untried.evidence]),
        np.concatenate([rows.gold, untried.gold]),
    )
    # Whether any agent fits: labelled requests where there are enough that none fits.
    known = rows if extra is None else _Rows.join([rows, extra])
    weights = np.ones(len(known.gold))
    labels = known.gold.any(axis=1)
    enough = _enough_none(rows, extra)
    if not enough and len(probes.gone.gold):
        known = _Rows.join([known, probes.gone])
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
    theirs = (probes.present.gold & (probes.present.evidence.lack == 1)).any(axis=1)
    untried_fits = fit_logistic(
        {name: values[there] for name, values in described.items()}, theirs[there]
    )
    logits = weigh(rows.evidence, combination)[0]
    probability = some_agent_fits(rows.evidence, logits, fits, untried_fits)
    first = logits.argmax(axis=1)
    correct = rows.gold[np.arange(len(first)), first]
    features = agent_features(logits, probability)
    right = fit_logistic(
        {
            "share": np.take_along_axis(features["share"], first[:, np.newaxis], axis=1)[:, 0],
            "fits": features["fits"][:, 0],
        },
        correct,
    )
    return Decision(combination, fits, untried_fits, right, max_none=1.0)


def _cross_fit(
    rows: _Rows,
    extra: _Rows | None,
    probes: _Probes,
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
        decision = _fit_decision(fitted_on, extra, probes.without(rows.source[asked]), generator)
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
    return float(np.quantile(none, 1 - (MAX_LOST if enough else MAX_LOST_UNLABELLED)))


def _enough_none(rows: _Rows, extra: _Rows | None) -> bool:
    found = int((~rows.gold.any(axis=1)).sum())
    return found + (0 if extra is None else len(extra.gold)) >= MIN_NONE


def _doubtful(
    names: Sequence[str],
    train: Examples,
    left_out: _Rows,
    decision: Decision,
    confidences: NDArray[np.float64] | None = None,
) -> tuple[DoubtfulLabel, ...]:
    """List train requests that all others would put elsewhere, with high confidence."""
    if confidences is None:
        confidences = decision.judge(left_out.evidence).confidences
    first = confidences.argmax(axis=1)
    highest = confidences[np.arange(len(first)), first]
    labelled = np.where(train.gold, confidences, 0).max(axis=1)
    found = np.flatnonzero((highest >= NOISE_CONFIDENCE) & (labelled < NOISE_LABEL))
    listed = [
        DoubtfulLabel(
            train.ids[row],
            train.texts[row],
            tuple(names[column] for column in np.flatnonzero(train.gold[row])),
            names[first[row]],
            round(float(highest[row]), 4),
        )
        for row in found
    ]
    return tuple(sorted(listed, key=lambda label: (-label.confidence, label.id)))


def _limit(
    gold: NDArray[np.bool_],
    limit: int,
    generator: np.random.Generator,
    *,
    keep_none: bool = False,
) -> NDArray[np.int64]:
    """Draw at most `limit` rows, evenly over the agents, and return them in order."""
    if len(gold) <= limit:
        return np.arange(len(gold))
    groups = np.where(gold.any(axis=1), gold.argmax(axis=1), -1)
    shuffled = generator.permutation(len(gold))
    # The place of each row within its group: first all first ones, then all second ones.
    by_group = shuffled[np.argsort(groups[shuffled], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[by_group], prepend=-2))
    lengths = np.diff(np.append(starts, len(gold)))
    places = np.empty(len(gold), dtype=np.int64)
    places[by_group] = np.arange(len(gold)) - np.repeat(starts, lengths)
    if keep_none:
        places[groups == -1] = -1
    chosen = shuffled[np.argsort(places[shuffled], kind="stable")][:limit]
    return np.sort(chosen)


def _hash(names: Sequence[str], train: Examples) -> str:
    rows = [
        [text, [names[column] for column in np.flatnonzero(gold)]]
        for text, gold in zip(train.texts, train.gold, strict=True)
    ]
    return hashlib.sha256(json.dumps(rows).encode("ascii")).hexdigest()
