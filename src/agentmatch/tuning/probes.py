"""Look at labelled requests as if nothing were known of the agents that take them.

That is how requests look that belong to an agent which joins the catalogue after
tuning; and, with the agent taken away altogether, how those look that no agent fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentmatch.tuning.examples import Examples, Rows, spread_sample
from agentmatch.tuning.head import Evidence, lack_of_examples, nearest_similarity
from agentmatch.tuning.kernel_ridge import (
    KernelSettings,
    fit_kernel_ridge,
    kernel_scores,
    term_coefficients,
)
from agentmatch.tuning.terms import SparseRows, bucket_weights, count_terms, weigh_terms

PROBES = 2_000
"""Labelled requests that play those of agents without examples."""

PROBE_CELLS = 300_000
"""Requests times agents that are looked at; fewer requests in a large catalogue."""

PROBE_FOLDS = 5
"""Parts of the agents that are hidden in turn."""


@dataclass(frozen=True)
class Probes:
    """Hold requests as they look to a head that has not heard of some agents.

    `present`: those agents are in the catalogue, without examples. `gone`: requests of
    those agents, which are not in the catalogue.
    """

    present: Rows
    gone: Rows

    def without(self, sources: NDArray[np.int64]) -> Probes:
        """Return the requests that are none of these train requests."""
        return Probes(self.present.without(sources), self.gone.without(sources))


def probe(train: Examples, settings: KernelSettings, generator: np.random.Generator) -> Probes:
    """Hide the examples of some agents, part after part, and look at all requests again."""
    limit = max(PROBES // 4, min(PROBES, PROBE_CELLS // train.gold.shape[1]))
    source = spread_sample(train.gold, limit, generator)
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
        present.append(Rows(rows.evidence, rows.gold, source[rows.source]))
        gone.append(Rows(taken_out.evidence, taken_out.gold, source[taken_out.source]))
    if not present:
        nobody = np.arange(0)
        empty = Rows(
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
        return Probes(empty, empty)
    return Probes(Rows.join(present), Rows.join(gone))


def _hide(
    sample: Examples,
    terms: SparseRows,
    settings: KernelSettings,
    hidden: NDArray[np.int64],
    kept: NDArray[np.int64],
    asked: NDArray[np.int64],
) -> tuple[Rows, Rows]:
    """Fit without the requests of some agents; see `Probes` for what is returned."""
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
    rows = Rows(evidence, sample.gold[order], order)
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
    return rows, Rows(absent, np.zeros_like(out.gold), out.source)
