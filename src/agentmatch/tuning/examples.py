"""Hold labelled requests as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentmatch.tuning.head import Evidence


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
class Rows:
    """Hold judged requests: what is known of them and what is right.

    `source` is the row of the train request that each is, or -1.
    """

    evidence: Evidence
    gold: NDArray[np.bool_]
    source: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return some requests, in the order asked for."""
        return Rows(self.evidence.take(rows), self.gold[rows], self.source[rows])

    def without(self, sources: NDArray[np.int64]) -> Rows:
        """Return the requests that are none of these train requests."""
        sources = sources[sources >= 0]
        return self.take(np.flatnonzero(~np.isin(self.source, sources)))

    @classmethod
    def join(cls, parts: Sequence[Rows]) -> Rows:
        """Return the requests of several, one after the other."""
        return cls(
            Evidence.join([part.evidence for part in parts]),
            np.concatenate([part.gold for part in parts]),
            np.concatenate([part.source for part in parts]),
        )


def spread_sample(
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
