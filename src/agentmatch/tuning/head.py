"""Score requests by what was learned from labelled ones, beside the zero-shot score.

An agent's score is a weighted sum:

    trained * learned + zero_shot * fused + lack * (untried_zero_shot * fused + untried)
        + named * (1 where the request names the agent)

`learned` is the score of the kernel fit and `fused` the zero-shot score. `lack` is 1 for
an agent without examples and falls as examples come in, so that such an agent is judged
by its text, on the same scale as the others. NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from agentmatch.calibration import LogisticModel
from agentmatch.tuning.kernel_ridge import KernelSettings, kernel_scores
from agentmatch.tuning.terms import count_terms, weigh_terms

Floats = NDArray[np.float32]

UNTRIED = 0.5
"""Agents of more `lack` than this count as having no examples."""

_BLOCK = 2048
"""Requests that are compared with all examples at a time."""


@dataclass(frozen=True, slots=True)
class Combination:
    """Hold the weights of the parts of a score; see the module.

    Attributes:
        trained: Weight of the kernel fit's score.
        zero_shot: Weight of the zero-shot score.
        untried_zero_shot: Its further weight for agents without examples.
        untried: Added for agents without examples.
        named: Added for agents that the request names outright.
    """

    trained: float
    zero_shot: float
    untried_zero_shot: float
    untried: float
    named: float

    @property
    def scale(self) -> float:
        """Return what scores are divided by, so that they reach about 1."""
        return self.trained + self.zero_shot


COMBINATION_PARTS = tuple(field.name for field in fields(Combination))


@dataclass(frozen=True)
class Observations:
    """Hold how a matcher sees requests and what it answers.

    Attributes:
        texts: The requests as they were read.
        vectors: float32 [requests, dimension], rows of unit length.
        fused: float32 [requests, agents], zero-shot scores, names in requests ignored.
        named: bool [requests, agents], agents that the request names.
        scores: float32 [requests, agents], the scores that rank the agents.
        confidences: float64 [requests, agents].
        none: float64 [requests], the probability that no agent fits.
    """

    texts: tuple[str, ...]
    vectors: Floats
    fused: Floats
    named: NDArray[np.bool_]
    scores: Floats
    confidences: NDArray[np.float64]
    none: NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """Hold what is known of requests before anything is weighed.

    Attributes:
        learned: float32 [requests, agents], scores of the kernel fit; 0 for an agent
            without examples.
        fused: float32 [requests, agents], zero-shot scores.
        named: bool [requests, agents], agents that the request names.
        nearest: float32 [requests], cosine with the nearest example.
        lack: float32 [requests, agents], 1 for an agent without examples, towards 0 for
            one with many.
    """

    learned: Floats
    fused: Floats
    named: NDArray[np.bool_]
    nearest: Floats
    lack: Floats

    def __len__(self) -> int:
        return len(self.fused)

    def parts(self) -> dict[str, Floats]:
        """Return what each weight of a `Combination` multiplies, [requests, agents]."""
        return {
            "trained": self.learned,
            "zero_shot": self.fused,
            "untried_zero_shot": self.lack * self.fused,
            "untried": self.lack,
            "named": self.named.astype(np.float32),
        }

    def take(self, rows: NDArray[np.int64]) -> Evidence:
        """Return some requests, in the order asked for."""
        return Evidence(
            self.learned[rows],
            self.fused[rows],
            self.named[rows],
            self.nearest[rows],
            self.lack[rows],
        )

    @classmethod
    def join(cls, evidences: Sequence[Evidence]) -> Evidence:
        """Return the requests of several, for the same agents, one after the other."""
        return cls(
            *(
                np.concatenate([getattr(evidence, field.name) for evidence in evidences])
                for field in fields(cls)
            )
        )


@dataclass(frozen=True)
class Judgement:
    """Hold what a head says of requests.

    Attributes:
        scores: float32 [requests, agents], higher is better.
        shares: For each part of the score float32 [requests, agents].
        confidences: float64 [requests, agents], the probability that the agent is right.
        none: float64 [requests], the probability that no agent fits.
    """

    scores: Floats
    shares: Mapping[str, Floats]
    confidences: NDArray[np.float64]
    none: NDArray[np.float64]


@dataclass(frozen=True)
class Decision:
    """Weigh evidence into scores and probabilities; the small part of a head.

    Attributes:
        combination: The weights of the parts of a score.
        fits: Whether some agent fits, over `request_features`.
        untried_fits: Whether an agent without examples fits, over `untried_features`.
        right: Whether an agent is right, over `agent_features`.
        max_none: A request is refused where the probability that no agent fits is above
            this.
    """

    combination: Combination
    fits: LogisticModel
    untried_fits: LogisticModel
    right: LogisticModel
    max_none: float

    def judge(self, evidence: Evidence) -> Judgement:
        """Judge requests."""
        logits, shares = weigh(evidence, self.combination)
        fits = some_agent_fits(evidence, logits, self.fits, self.untried_fits)
        right = self.right.probability(agent_features(logits, fits))
        scale = np.float32(1 / self.combination.scale)
        return Judgement(
            scores=logits * scale,
            shares={name: share * scale for name, share in shares.items()},
            # No agent can be likelier than that some agent fits.
            confidences=np.minimum(right, fits[:, np.newaxis]),
            none=1 - fits,
        )


@dataclass(frozen=True)
class TunedHead:
    """Hold all that was learned from labelled requests.

    Attributes:
        agents: The agents that had examples, sorted by name.
        examples: For each of them how many requests it is right for.
        vectors: float32 [requests, dimension], the labelled requests.
        coefficients: float32 [requests, agents] of the kernel fit.
        term_weights: float32 [BUCKETS], how rare each term is.
        by_term: float32 [BUCKETS, agents] of the kernel fit.
        settings: Its kernel.
        decision: What scores and probabilities are made of.
        encoder_fingerprint: The encoder of the vectors.
        requests_hash: sha256 over the labelled requests.
    """

    agents: tuple[str, ...]
    examples: tuple[int, ...]
    vectors: Floats
    coefficients: Floats
    term_weights: Floats
    by_term: Floats
    settings: KernelSettings
    decision: Decision
    encoder_fingerprint: str
    requests_hash: str

    def evidence(
        self,
        texts: Sequence[str],
        vectors: Floats,
        fused: Floats,
        named: NDArray[np.bool_],
        names: Sequence[str],
    ) -> Evidence:
        """Collect what is known of requests.

        Agents that the head has never seen have no learned score; agents that it has
        seen and that are gone are left out.

        Args:
            texts: The requests.
            vectors: float32 [requests, dimension].
            fused: float32 [requests, agents], zero-shot scores.
            named: bool [requests, agents].
            names: The catalogue's agents, sorted.

        Returns:
            The evidence.
        """
        terms = weigh_terms(count_terms(texts), self.term_weights)
        learned = np.zeros_like(fused)
        places = {name: column for column, name in enumerate(self.agents)}
        known = [(position, places[name]) for position, name in enumerate(names) if name in places]
        scores = kernel_scores(
            vectors, terms, self.vectors, self.coefficients, self.by_term, self.settings
        )
        learned[:, [position for position, _ in known]] = scores[:, [place for _, place in known]]
        counts = dict(zip(self.agents, self.examples, strict=True))
        return Evidence(
            learned=learned,
            fused=fused,
            named=named,
            nearest=nearest_similarity(vectors, self.vectors),
            lack=np.broadcast_to(
                lack_of_examples(np.array([counts.get(name, 0) for name in names])), fused.shape
            ),
        )


def lack_of_examples(counts: NDArray[np.int64]) -> Floats:
    """Return 1 for an agent without examples, a quarter with one, a ninth with two."""
    return np.asarray(1 / (1.0 + counts) ** 2, dtype=np.float32)


def nearest_similarity(vectors: Floats, examples: Floats, *, leave_out: bool = False) -> Floats:
    """Return the cosine of each request with its nearest example, -1 to 1.

    Args:
        vectors: float32 [requests, dimension].
        examples: float32 [examples, dimension].
        leave_out: The requests are the examples; none is its own nearest.

    Returns:
        float32 [requests].
    """
    nearest = np.full(len(vectors), -1, dtype=np.float32)
    if len(examples) <= leave_out:
        return nearest
    for start in range(0, len(vectors), _BLOCK):
        similarities = vectors[start : start + _BLOCK] @ examples.T
        if leave_out:
            rows = np.arange(len(similarities))
            similarities[rows, start + rows] = -1
        nearest[start : start + _BLOCK] = similarities.max(axis=1)
    return nearest


def weigh(evidence: Evidence, combination: Combination) -> tuple[Floats, dict[str, Floats]]:
    """Return the scores before scaling, and each part's share, [requests, agents]."""
    shares = {
        name: np.float32(getattr(combination, name)) * part
        for name, part in evidence.parts().items()
    }
    return np.asarray(sum(shares.values()), dtype=np.float32), shares


def request_features(evidence: Evidence, logits: Floats) -> dict[str, NDArray[np.float64]]:
    """Describe how far requests are like those that some agent fits.

    Args:
        evidence: What is known of n requests.
        logits: float32 [n, agents], of `weigh`.

    Returns:
        For each feature float64 [n]: `best` score, its `lead` over the next, `support`
        (the sum of learned scores: 1 among the examples, 0 away from all of them),
        `nearest` example, and best `zero_shot` score.
    """
    ranked = np.sort(logits, axis=1)[:, ::-1]
    lead = ranked[:, 0] - ranked[:, 1] if ranked.shape[1] > 1 else np.zeros(len(ranked))
    described = {
        "best": ranked[:, 0],
        "lead": lead,
        "support": evidence.learned.sum(axis=1),
        "nearest": evidence.nearest,
        "zero_shot": evidence.fused.max(axis=1),
    }
    return {name: values.astype(np.float64) for name, values in described.items()}


def untried_features(evidence: Evidence, logits: Floats) -> dict[str, NDArray[np.float64]]:
    """Describe the best agent that has no examples, or next to none.

    What is known of labelled requests says nothing for or against an agent that came
    later; only its text does.

    Args:
        evidence: What is known of n requests.
        logits: float32 [n, agents], of `weigh`.

    Returns:
        For each feature float64 [n]: its zero-shot `score`, and its `lead` over the best
        agent that has examples. Both are -inf where all agents have examples.
    """
    untried = evidence.lack > UNTRIED
    best = np.where(untried, logits, -np.inf).max(axis=1)
    other = np.where(untried, -np.inf, logits).max(axis=1)
    score = np.where(untried, evidence.fused, -np.inf).max(axis=1)
    lead = np.where(np.isfinite(other), best - other, 0)
    return {"score": score.astype(np.float64), "lead": lead.astype(np.float64)}


def some_agent_fits(
    evidence: Evidence, logits: Floats, fits: LogisticModel, untried_fits: LogisticModel
) -> NDArray[np.float64]:
    """Return the probability that some agent fits, with examples or without; float64 [n]."""
    unlike = 1 - fits.probability(request_features(evidence, logits))
    described = untried_features(evidence, logits)
    there = np.isfinite(described["score"])
    described = {name: np.where(there, values, 0) for name, values in described.items()}
    untried = np.where(there, untried_fits.probability(described), 0)
    return np.asarray(1 - unlike * (1 - untried), dtype=np.float64)


def agent_features(logits: Floats, fits: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Describe how likely each agent is right: its log-odds in a softmax, and that of `fits`.

    Args:
        logits: float32 [requests, agents].
        fits: float64 [requests], the probability that some agent fits.

    Returns:
        For each feature float64 [requests, agents or 1].
    """
    return {
        "share": softmax_log_odds(logits),
        "fits": log_odds(fits)[:, np.newaxis],
    }


def softmax_log_odds(logits: Floats) -> NDArray[np.float64]:
    """Return log(p / (1 - p)) of each agent's share p in a softmax, without overflow."""
    if logits.shape[1] < 2:
        return np.full(logits.shape, np.log(1 / _SMALLEST - 1))
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(axis=1, keepdims=True)
    return log_odds(weights / total)


_SMALLEST = 1e-6
"""Probabilities nearer to 0 or 1 than this count as this near."""


def log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log(p / (1 - p)), finite."""
    clipped = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float64)
