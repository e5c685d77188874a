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

from agentmatch.tuning.decision import MIN_NONE, cross_fit, enough_none, fit_decision
from agentmatch.tuning.examples import Examples, Rows, spread_sample
from agentmatch.tuning.head import (
    Evidence,
    TunedHead,
    lack_of_examples,
    nearest_similarity,
)
from agentmatch.tuning.kernel_ridge import (
    KernelSettings,
    fit_kernel_ridge,
    kernel_scores,
    term_coefficients,
)
from agentmatch.tuning.probes import probe
from agentmatch.tuning.report import DoubtfulLabel, TuningReport, measure
from agentmatch.tuning.terms import bucket_weights, count_terms, weigh_terms

SETTINGS = KernelSettings(sharpness=2.0, term_share=0.25, ridge=0.1)
"""The kernel. Chosen on clinc150's dev requests, with 10, 15 and 40 examples an intent;
half or double of each value costs at most half a point."""

MAX_EXAMPLES = 16_384
"""Labelled requests that are learned from; the fit takes memory as their square, 1 GB
for this many."""

NOISE_CONFIDENCE = 0.9
"""A label is doubtful where another agent has this probability without the request."""

NOISE_LABEL = 0.05
"""And where the labelled agents have less than this."""

SEED = 20261125
"""Draws folds and samples."""


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
    train = train.take(spread_sample(train.gold, MAX_EXAMPLES, generator))
    if len(train) < total:
        notes.append(
            f"only {len(train):,} of {total:,} labelled requests were learned from, "
            "spread evenly over the agents"
        )
    kernel, left_out = _fit_kernel(train, settings)
    probes = probe(train, settings, generator)
    rows, before, extra = left_out, train.before, None
    if dev is not None:
        rows, before = _evidence_of(dev, train, kernel, settings), dev.before
        # What no agent fits is rare; the left-out ones of train help to draw the line.
        extra = left_out.take(np.flatnonzero(~train.gold.any(axis=1)))
    enough = enough_none(rows, extra)
    judged, confidences, bar = cross_fit(rows, extra, probes, enough, generator)
    decision = replace(fit_decision(rows, extra, probes, generator), max_none=bar)
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
        doubtful=_doubtful(
            names,
            train,
            confidences if dev is None else decision.judge(left_out.evidence).confidences,
        ),
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


def _fit_kernel(train: Examples, settings: KernelSettings) -> tuple[_Kernel, Rows]:
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
    return kernel, Rows(evidence, train.gold, np.arange(len(train)))


def _evidence_of(
    requests: Examples, train: Examples, kernel: _Kernel, settings: KernelSettings
) -> Rows:
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
    return Rows(evidence, requests.gold, np.full(len(requests), -1))


def _doubtful(
    names: Sequence[str],
    train: Examples,
    confidences: NDArray[np.float64],
) -> tuple[DoubtfulLabel, ...]:
    """List train requests that all others would put elsewhere, with high confidence."""
    first = confidences.argmax(axis=1)
    highest = confidences[np.arange(len(first)), first]
    labelled = np.where(train.gold, confidences, 0).max(axis=1)
    found = np.flatnonzero((highest >= NOISE_CONFIDENCE) & (labelled < NOISE_LABEL))
    listed = [
        DoubtfulLabel(
            train.ids[row],
            train.texts[row],
            tuple(_labels(names, train.gold[row])),
            names[int(first[row])],
            round(float(highest[row]), 4),
        )
        for row in found.tolist()
    ]
    return tuple(sorted(listed, key=lambda label: (-label.confidence, label.id)))


def _hash(names: Sequence[str], train: Examples) -> str:
    rows = [
        [text, _labels(names, gold)] for text, gold in zip(train.texts, train.gold, strict=True)
    ]
    return hashlib.sha256(json.dumps(rows).encode("ascii")).hexdigest()


def _labels(names: Sequence[str], gold: NDArray[np.bool_]) -> list[str]:
    return [names[column] for column in np.flatnonzero(gold).tolist()]
