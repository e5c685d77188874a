"""Index a catalogue: its passages, their vectors and their words."""

from __future__ import annotations

import logging
import operator
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

from agentmatch.dense import LEAST_RECALL, ApproximateIndex, DenseIndex
from agentmatch.encoders.base import Encoder
from agentmatch.errors import DuplicateAgentError, NoAgentsError
from agentmatch.lexical import LexicalIndex
from agentmatch.partial import PartialVectors
from agentmatch.passages import (
    DESCRIPTION,
    DIGEST_BYTES,
    content_digest,
    description_terms,
    passages_of,
    whole_terms,
)
from agentmatch.ranking import PassageLayout
from agentmatch.types import Agent, Passage

logger = logging.getLogger("agentmatch")

Progress = Callable[[int, int], None]
"""Called with the number of texts encoded so far and the number to encode."""

ENCODE_BLOCK = 256
"""Texts handed to the encoder at a time, between two calls of `progress`."""

EXACT_LIMIT = 100_000
"""Passages up to which each request is compared with all of them.

Beyond it a comparison with all takes longer than encoding the request; then only the
agents that a fast search finds are ranked (see `agentmatch.candidates`)."""

PASSAGES_KEPT = 256
"""Agents whose passages are kept once they have been made."""


@dataclass(frozen=True)
class AgentIndex:
    """Hold everything that matching reads, for one catalogue and one encoder.

    The arrays of a stored index are mapped, and its agents read when they are shown.

    Attributes:
        names: The agents' names, sorted; they are unique.
        agents: The agents in that order.
        layout: Which passages belong to which agent.
        digests: uint8 [agents, 32]; for each agent the sha256 of what shaped its passages.
        dense: The passages' vectors, agent after agent.
        approximate: Finds near passages fast; None where all are compared.
        lexical_whole_text: BM25 over each agent's whole text.
        lexical_description: BM25 over each agent's name and description.
        encoder_name: The encoder's name.
        encoder_fingerprint: The encoder's fingerprint.
        encoded: How many texts were encoded to make this index; the others' vectors
            were taken over from an earlier one.
    """

    names: tuple[str, ...]
    agents: Sequence[Agent]
    layout: PassageLayout
    digests: NDArray[np.uint8]
    dense: DenseIndex
    approximate: ApproximateIndex | None
    lexical_whole_text: LexicalIndex
    lexical_description: LexicalIndex
    encoder_name: str
    encoder_fingerprint: str
    encoded: int = 0

    @cached_property
    def passages(self) -> Passages:
        """Return the passages, agent after agent, as the vectors stand."""
        return Passages(self.agents, self.layout)

    @property
    def content_hashes(self) -> tuple[str, ...]:
        """Return for each agent the hash of what shaped its passages."""
        return tuple(digest.tobytes().hex() for digest in self.digests)

    def rows(self, position: int) -> range:
        """Return the passage rows of the agent at a position."""
        return range(*map(int, self.layout.offsets[position : position + 2]))


class Passages(Sequence[Passage]):
    """Make the passages of agents when they are asked for.

    Equal to any sequence of equal passages.

    Args:
        agents: The agents.
        layout: Which passages belong to which agent.
    """

    def __init__(self, agents: Sequence[Agent], layout: PassageLayout) -> None:
        self._offsets = layout.offsets
        self._of = lru_cache(PASSAGES_KEPT)(lambda position: passages_of(agents[position]))

    def __len__(self) -> int:
        return int(self._offsets[-1])

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | Sequence[Passage]:
        numbers = range(len(self))[row]
        if isinstance(numbers, range):
            return tuple(map(self._passage, numbers))
        return self._passage(numbers)

    def _passage(self, row: int) -> Passage:
        position = bisect_right(self._offsets, row) - 1
        return self._of(position)[row - int(self._offsets[position])]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]


def build_index(
    agents: Iterable[Agent],
    encoder: Encoder,
    *,
    previous: AgentIndex | None = None,
    progress: Progress | None = None,
    partial: PartialVectors | None = None,
) -> AgentIndex:
    """Index agents, encoding only those that an earlier index does not already hold.

    Args:
        agents: Agents of different names, in any order.
        encoder: The encoder of the passages.
        previous: An index whose vectors are taken over where an agent's passages are
            the same and the encoder has the same fingerprint.
        progress: Called as texts are encoded.
        partial: Keeps vectors as they are made, and has those of a build that was
            interrupted.

    Returns:
        The index; the same for any order of `agents`.

    Raises:
        NoAgentsError: There is no agent.
        DuplicateAgentError: Two agents have one name.
    """
    ordered = tuple(sorted(agents, key=lambda agent: agent.name))
    if not ordered:
        raise NoAgentsError("index", "there is no agent to index")
    _require_unique_names(ordered)
    grouped = [passages_of(agent) for agent in ordered]
    digests = [
        content_digest(agent, passages) for agent, passages in zip(ordered, grouped, strict=True)
    ]
    layout = layout_of(grouped)
    known = _known_rows(previous, encoder)
    # A model may have to be loaded to say its dimension.
    dimension = previous.dense.dimension if previous and known else encoder.dimension
    vectors = np.empty((layout.offsets[-1], dimension), dtype=np.float32)
    missing: dict[str, list[int]] = {}
    encoded = 0
    for digest, passages, start in zip(digests, grouped, layout.offsets.tolist(), strict=False):
        if previous is not None and digest in known:
            vectors[start : start + len(passages)] = previous.dense.vectors[known[digest]]
        else:
            encoded += len(passages)
            for row, passage in enumerate(passages, start):
                missing.setdefault(passage.text, []).append(row)
    _encode_into(vectors, missing, encoder, progress, partial)
    dense = DenseIndex(vectors)
    return AgentIndex(
        names=tuple(agent.name for agent in ordered),
        agents=ordered,
        layout=layout,
        digests=np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, DIGEST_BYTES),
        dense=dense,
        approximate=_approximate(dense, previous if known else None),
        lexical_whole_text=LexicalIndex.build(list(map(whole_terms, ordered, grouped))),
        lexical_description=LexicalIndex.build([description_terms(agent) for agent in ordered]),
        encoder_name=encoder.name,
        encoder_fingerprint=encoder.fingerprint,
        encoded=encoded,
    )


def _approximate(dense: DenseIndex, previous: AgentIndex | None) -> ApproximateIndex | None:
    if len(dense) <= EXACT_LIMIT:
        return None
    approximate = ApproximateIndex.build(dense, previous.approximate if previous else None)
    if approximate is None:
        logger.warning(
            "no fast search finds %.0f %% of the nearest of these %d passages; "
            "requests are compared with all of them, which takes longer",
            100 * LEAST_RECALL,
            len(dense),
        )
    return approximate


def layout_of(grouped: Sequence[Sequence[Passage]]) -> PassageLayout:
    """Describe which rows the passages of each agent take."""
    counts = np.array([0, *(len(passages) for passages in grouped)], dtype=np.int64)
    described = [
        any(passage.section == DESCRIPTION for passage in passages) for passages in grouped
    ]
    return PassageLayout(np.cumsum(counts), np.array(described, dtype=np.bool_))


def _require_unique_names(ordered: Sequence[Agent]) -> None:
    for first, second in pairwise(ordered):
        if first.name == second.name:
            paths = [agent.path or "no file" for agent in ordered if agent.name == first.name]
            raise DuplicateAgentError(first.path or "agents", first.name, paths)


def _known_rows(previous: AgentIndex | None, encoder: Encoder) -> dict[bytes, slice]:
    if previous is None or previous.encoder_fingerprint != encoder.fingerprint:
        return {}
    bounds = pairwise(previous.layout.offsets.tolist())
    return {
        digest.tobytes(): slice(*rows)
        for digest, rows in zip(previous.digests, bounds, strict=True)
    }


def encode_passages(
    texts: Sequence[str], encoder: Encoder, progress: Progress | None
) -> NDArray[np.float32]:
    """Encode each different text once, longest first so that batches hold equal lengths."""
    if not texts:
        return np.empty((0, 0), dtype=np.float32)
    vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows.setdefault(text, []).append(row)
    _encode_into(vectors, rows, encoder, progress, None)
    return vectors


def _encode_into(
    vectors: NDArray[np.float32],
    rows: dict[str, list[int]],
    encoder: Encoder,
    progress: Progress | None,
    partial: PartialVectors | None,
) -> None:
    """Put the vector of each text into its rows."""
    if not rows:
        return
    different = sorted(rows, key=lambda text: (-len(text), text))
    if partial is not None:
        kept = partial.read(different, vectors.shape[1])
        for text, vector in kept.items():
            vectors[rows[text]] = vector
        different = [text for text in different if text not in kept]
    done = len(rows) - len(different)
    for start in range(0, len(different), ENCODE_BLOCK):
        if progress is not None:
            progress(done + start, len(rows))
        block = different[start : start + ENCODE_BLOCK]
        made = encoder.encode_documents(block)
        for text, vector in zip(block, made, strict=True):
            vectors[rows[text]] = vector
        if partial is not None:
            partial.append(block, made)
    if progress is not None:
        progress(len(rows), len(rows))
