"""Score the agents of an index for prepared requests, and say how likely each is right.

What `AgentMatcher` ranks, explains, puts into teams and learns from is computed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agentmatch.calibration import Calibration, Probabilities
from agentmatch.candidates import candidate_signals
from agentmatch.encoders import Encoder
from agentmatch.features import Features, features_of
from agentmatch.index import ENCODE_BLOCK, AgentIndex
from agentmatch.mentions import NameMentions
from agentmatch.ranking import (
    NAME_MENTION_BONUS,
    Scores,
    dense_signals,
    fuse,
    lexical_signal,
    order,
    signal_shares,
)
from agentmatch.requests import PreparedRequest
from agentmatch.tokens import tokenize
from agentmatch.types import Evidence, Match

if TYPE_CHECKING:
    from agentmatch.tuning.head import Evidence as TuningEvidence
    from agentmatch.tuning.head import Judgement, TunedHead

EVIDENCE_LIMIT = 3
"""Passages shown for each match."""

CONFIDENCE_DECIMALS = 4
"""Decimals of a probability. Scores vary in the seventh with the batch a request was
encoded in, and a probability by some ten times that."""

REQUEST_BLOCK = 64
"""Requests scored at a time at most."""

SCORES_PER_BLOCK = 1 << 23
"""Similarities computed at a time, which bounds the memory that they take (32 MiB)."""


class Scorer:
    """Score agents for requests.

    Args:
        index: The agents and their passages.
        encoder: The encoder that built the index.
        weights: The share of each signal in a score.
        calibration: Turns scores into probabilities where there is no head.
        head: What was learned from labelled requests, or None.
    """

    def __init__(
        self,
        index: AgentIndex,
        encoder: Encoder,
        weights: Mapping[str, float],
        calibration: Calibration,
        head: TunedHead | None = None,
    ) -> None:
        self.index = index
        self.encoder = encoder
        self.weights = dict(weights)
        self.calibration = calibration
        self.head = head
        self.names = index.names
        self.mentions = NameMentions(self.names)

    @property
    def max_none(self) -> float:
        """Return the probability of "no agent fits" above which a request is refused."""
        if self.head is not None:
            return self.head.decision.max_none
        fitted_on = self.calibration.encoder_fingerprint
        return self.calibration.max_none if fitted_on in ("", self.encoder.fingerprint) else 1.0

    def refuses(self, none: float) -> bool:
        """Tell whether by default the answer is that no agent fits."""
        return none > self.max_none

    def blocks(self, requests: int) -> Iterator[slice]:
        """Yield so many requests at a time as may be scored together."""
        size = max(1, min(REQUEST_BLOCK, SCORES_PER_BLOCK // len(self.index.dense)))
        return (slice(start, start + size) for start in range(0, requests, size))

    def encode(self, prepared: Sequence[PreparedRequest]) -> NDArray[np.float32]:
        """Encode requests; one of several parts by the mean of its parts' vectors."""
        vectors = self._encode_parts([part for item in prepared for part in item.parts])
        if len(vectors) == len(prepared):
            return vectors
        starts = np.cumsum([0, *(len(item.parts) for item in prepared[:-1])])
        sums = np.add.reduceat(vectors, starts, axis=0)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        return np.asarray(sums / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)

    def _encode_parts(self, parts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts in batches of like length, which bounds the memory that they take."""
        if len(parts) <= ENCODE_BLOCK:
            return self.encoder.encode_queries(parts)
        by_length = sorted(range(len(parts)), key=lambda number: len(parts[number]))
        vectors = np.empty((len(parts), self.index.dense.dimension), dtype=np.float32)
        for start in range(0, len(parts), ENCODE_BLOCK):
            block = by_length[start : start + ENCODE_BLOCK]
            vectors[block] = self.encoder.encode_queries([parts[number] for number in block])
        return vectors

    def signals(
        self,
        prepared: Sequence[PreparedRequest],
        vectors: NDArray[np.float32],
        always: Sequence[int] = (),
    ) -> tuple[Scores, dict[str, Scores]]:
        """Compare requests with all passages.

        Args:
            prepared: The requests.
            vectors: What `encode` returned for them.
            always: Positions of agents that are compared whether they are candidates
                or not.

        Returns:
            Similarities, float32 [requests, passages], and for each signal a float32
            array [requests, agents].
        """
        index = self.index
        texts = [item.text for item in prepared]
        words = index.lexical_whole_text.scores(texts)
        if index.approximate is None:
            similarities = index.dense.similarities(vectors)
            signals = dense_signals(similarities, index.layout)
        else:
            named = [[*self.mentions.find(text), *always] for text in texts]
            similarities, signals = candidate_signals(index, vectors, words, named)
        signals["lexical_whole_text"] = lexical_signal(words)
        signals["lexical_description"] = lexical_signal(index.lexical_description.scores(texts))
        return similarities, signals

    def zero_shot(
        self, prepared: Sequence[PreparedRequest], signals: Mapping[str, Scores]
    ) -> Scores:
        """Combine signals into scores, names that are mentioned included."""
        scores = fuse(signals, self.weights)
        for row, item in zip(scores, prepared, strict=True):
            row[self.mentions.find(item.text)] += np.float32(NAME_MENTION_BONUS)
        return scores

    def features(
        self,
        prepared: Sequence[PreparedRequest],
        scores: Scores,
        signals: Mapping[str, Scores],
    ) -> Features:
        """Compute the features that confidences are made of."""
        texts = [item.text for item in prepared]
        bm25 = self.index.lexical_whole_text.scores(texts)
        terms = [len(set(tokenize(text))) for text in texts]
        return features_of(texts, scores, signals, bm25, terms)

    def named(self, prepared: Sequence[PreparedRequest]) -> NDArray[np.bool_]:
        """Say which agents each request names, bool [requests, agents]."""
        named = np.zeros((len(prepared), len(self.names)), dtype=np.bool_)
        for row, item in enumerate(prepared):
            named[row, self.mentions.find(item.text)] = True
        return named

    def judge(
        self,
        prepared: Sequence[PreparedRequest],
        vectors: NDArray[np.float32],
        signals: Mapping[str, Scores],
    ) -> tuple[Scores, Probabilities, Probabilities]:
        """Return scores and confidences, [requests, agents], and that of no agent."""
        if self.head is not None:
            judged = self._head_judgement(self.head, prepared, vectors, signals)[1]
            return judged.scores, judged.confidences, judged.none
        scores = self.zero_shot(prepared, signals)
        features = self.features(prepared, scores, signals)
        confidences = self.calibration.confidence(features)
        return scores, confidences, self.calibration.confidence_none(features)

    def _head_judgement(
        self,
        head: TunedHead,
        prepared: Sequence[PreparedRequest],
        vectors: NDArray[np.float32],
        signals: Mapping[str, Scores],
    ) -> tuple[TuningEvidence, Judgement]:
        evidence = head.evidence(
            [item.text for item in prepared],
            vectors,
            fuse(signals, self.weights),
            self.named(prepared),
            self.names,
        )
        return evidence, head.decision.judge(evidence)

    def shares(
        self,
        prepared: Sequence[PreparedRequest],
        vectors: NDArray[np.float32],
        signals: Mapping[str, Scores],
    ) -> tuple[dict[str, Scores], dict[str, Scores]]:
        """Return each signal's value for one request's agents, and its share of the score."""
        shares = {name: part[0] for name, part in signal_shares(signals, self.weights).items()}
        values = {name: signals[name][0] for name in shares}
        if self.head is None:
            return values, shares
        # The zero-shot signals keep their shares of a smaller whole.
        evidence, judged = self._head_judgement(self.head, prepared, vectors, signals)
        by_text = judged.shares["zero_shot"][0] + judged.shares["untried_zero_shot"][0]
        fused = evidence.fused[0]
        weight = np.divide(by_text, fused, out=np.zeros_like(fused), where=fused != 0)
        shares = {name: share * weight for name, share in shares.items()}
        values["labelled_requests"] = evidence.learned[0]
        shares["labelled_requests"] = judged.shares["trained"][0]
        if judged.shares["untried"].any():
            values["without_examples"] = evidence.lack[0]
            shares["without_examples"] = judged.shares["untried"][0]
        return values, shares

    def match(
        self,
        rank: int,
        position: int,
        scores: Scores,
        similarities: Scores,
        confidences: Probabilities,
    ) -> Match:
        """Describe an agent's place in the answer to one request.

        Args:
            rank: The place.
            position: The agent's position in the index.
            scores: float32 [agents].
            similarities: float32 [passages].
            confidences: [agents].
        """
        rows = self.index.rows(position)
        # The name and the whole text lead an agent's passages and are no evidence.
        candidates = rows[2:] or rows[:1]
        best = [
            candidates[place]
            for place in order(similarities[candidates], candidates, EVIDENCE_LIMIT)
        ]
        return Match(
            rank=rank,
            agent=self.index.agents[position],
            score=round(float(scores[position]), 6),
            confidence=round(float(confidences[position]), CONFIDENCE_DECIMALS),
            evidence=tuple(
                Evidence(
                    self.index.passages[row].section,
                    self.index.passages[row].text,
                    round(float(similarities[row]), 6),
                )
                for row in best
            ),
        )
