"""Draw the batches of a contrastive training.

All requests of a batch belong to one catalogue, so that the wrong agents are the ones
a router would have to tell apart; half of them are neighbours of each other. Two agents
of which a request may fit both must not meet: those that a label names together, and
twins, whose texts are almost the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentmatch.passages import passages_of
from agentmatch.training.views import TrainingPair, TrainingSet, draw_views, restyle

Vectors = NDArray[np.float32]

NEIGHBOURS = 48
"""Nearest agents from which hard negatives are drawn."""

HARD = 0.5
"""The share of a batch that is drawn from the neighbours of one agent."""

NONE = 0.2
"""Requests that no agent fits, as a share of the batch, where a catalogue has any."""

TWINS = 0.85
"""Agents whose whole texts are this alike (cosine of the untrained encoder) never meet:
a request for one may be right for the other."""


@dataclass(frozen=True)
class Batch:
    """Hold the texts of one step.

    Attributes:
        name: The catalogue.
        requests: n requests.
        views: For each view n texts; those of row i belong to request i, and no other
            row's agent fits it.
        none: Requests that none of the agents fits.
    """

    name: str
    requests: tuple[str, ...]
    views: tuple[tuple[str, ...], ...]
    none: tuple[str, ...] = ()


class BatchSampler:
    """Draw batches; the same seed and step always give the same batch.

    Args:
        sets: The catalogues with their pairs.
        encode: Turns texts into unit vectors float32 [n, dimension]; asked once for
            the whole texts of all agents.
        size: Pairs of a batch at most.
        seed: Any whole number.
    """

    def __init__(
        self,
        sets: Sequence[TrainingSet],
        encode: Callable[[Sequence[str]], Vectors],
        size: int,
        seed: int,
    ) -> None:
        self._catalogues = [_Catalogue(each, encode) for each in sets if each.pairs]
        # A catalogue of a hundred times the pairs is drawn ten times as often.
        self._shares = [len(each.pairs) ** 0.5 for each in self._catalogues]
        self._size = size
        self._seed = seed

    def __call__(self, step: int) -> Batch:
        """Draw the batch of a step."""
        generator = random.Random(f"{self._seed} {step}")
        catalogue = generator.choices(self._catalogues, weights=self._shares)[0]
        chosen = catalogue.draw(self._size, generator)
        views = draw_views(generator)
        agents = catalogue.agents
        none = generator.sample(catalogue.none, min(len(catalogue.none), round(NONE * len(chosen))))
        return Batch(
            catalogue.name,
            tuple(pair.text if pair.is_line else restyle(pair.text, generator) for pair in chosen),
            tuple(
                tuple(
                    view(agents[pair.agents[0]], pair.text if pair.is_line else "", generator)
                    for pair in chosen
                )
                for view in views
            ),
            tuple(restyle(text, generator) for text in none),
        )


class _Catalogue:
    def __init__(self, training: TrainingSet, encode: Callable[[Sequence[str]], Vectors]) -> None:
        self.name = training.name
        self.agents = training.agents
        self.pairs = training.pairs
        self.none = training.none
        self._by_agent: dict[int, list[TrainingPair]] = {}
        for pair in training.pairs:
            self._by_agent.setdefault(pair.agents[0], []).append(pair)
        vectors = encode([passages_of(agent)[1].text for agent in training.agents])
        similar = vectors @ vectors.T
        self._twins = [
            frozenset(np.flatnonzero(row >= TWINS).tolist()) | {position}
            for position, row in enumerate(similar)
        ]
        nearest = np.argsort(-similar, axis=1)[:, : NEIGHBOURS + 1]
        self._nearest = [[n for n in row if n in self._by_agent] for row in nearest.tolist()]

    def draw(self, size: int, generator: random.Random) -> list[TrainingPair]:
        chosen: list[TrainingPair] = []
        present: set[int] = set()
        barred: set[int] = set()

        def offer(agent: int) -> None:
            pair = generator.choice(self._by_agent[agent])
            fits = set(pair.agents).union(*(self._twins[each] for each in pair.agents))
            if agent in barred or fits & present:
                return
            chosen.append(pair)
            present.add(agent)
            barred.update(fits)

        first = generator.choice(self.pairs).agents[0]
        offer(first)
        neighbours = list(self._nearest[first])
        generator.shuffle(neighbours)
        for agent in neighbours[: int(size * HARD)]:
            offer(agent)
        others = list(self._by_agent)
        generator.shuffle(others)
        for agent in others:
            if len(chosen) == size:
                break
            offer(agent)
        return chosen
