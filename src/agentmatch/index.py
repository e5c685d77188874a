"""Index a catalogue: its passages, their vectors and their words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agentmatch.dense import DenseIndex
from agentmatch.encoders.base import Encoder
from agentmatch.errors import DuplicateAgentError, NoAgentsError
from agentmatch.lexical import LexicalIndex
from agentmatch.passages import (
    DESCRIPTION,
    content_hash,
    description_terms,
    passages_of,
    whole_terms,
)
from agentmatch.ranking import PassageLayout
from agentmatch.types import Agent, Passage

Progress = Callable[[int, int], None]
"""Called with the number of texts encoded so far and the number to encode."""

ENCODE_BLOCK = 256
"""Texts handed to the encoder at a time, between two calls of `progress`."""


@dataclass(frozen=True)
class AgentIndex:
    """Hold everything that matching reads, for one catalogue and one encoder.

    Attributes:
        agents: The agents, sorted by name; names are unique.
        passages: Their passages, agent after agent.
        layout: Which passages belong to which agent.
        content_hashes: For each agent, the hash of what shaped its passages.
        dense: The passages' vectors, in the same order.
        lexical_whole_text: BM25 over each agent's whole text.
        lexical_description: BM25 over each agent's name and description.
        encoder_name: The encoder's name.
        encoder_fingerprint: The encoder's fingerprint.
        encoded: How many texts were encoded to make this index; the others' vectors
            were taken over from an earlier one.
    """

    agents: tuple[Agent, ...]
    passages: tuple[Passage, ...]
    layout: PassageLayout
    content_hashes: tuple[str, ...]
    dense: DenseIndex
    lexical_whole_text: LexicalIndex
    lexical_description: LexicalIndex
    encoder_name: str
    encoder_fingerprint: str
    encoded: int = 0

    def rows(self, position: int) -> range:
        """Return the passage rows of the agent at a position."""
        return range(self.layout.offsets[position], self.layout.offsets[position + 1])


def build_index(
    agents: Iterable[Agent],
    encoder: Encoder,
    *,
    previous: AgentIndex | None = None,
    progress: Progress | None = None,
) -> AgentIndex:
    """Index agents, encoding only those that an earlier index does not already hold.

    Args:
        agents: Agents of different names, in any order.
        encoder: The encoder of the passages.
        previous: An index whose vectors are taken over where an agent's passages are
            the same and the encoder has the same fingerprint.
        progress: Called as texts are encoded.

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
    hashes = tuple(content_hash(agent) for agent in ordered)
    known = _known_vectors(previous, encoder)

    missing = [
        passage.text
        for digest, passages in zip(hashes, grouped, strict=True)
        if digest not in known
        for passage in passages
    ]
    fresh = encode_passages(missing, encoder, progress)
    blocks: list[NDArray[np.float32]] = []
    taken = 0
    for digest, passages in zip(hashes, grouped, strict=True):
        if digest in known:
            blocks.append(known[digest])
        else:
            blocks.append(fresh[taken : taken + len(passages)])
            taken += len(passages)
    return AgentIndex(
        agents=ordered,
        passages=tuple(passage for passages in grouped for passage in passages),
        layout=layout_of(grouped),
        content_hashes=hashes,
        dense=DenseIndex(np.concatenate(blocks)),
        lexical_whole_text=LexicalIndex.build([whole_terms(agent) for agent in ordered]),
        lexical_description=LexicalIndex.build([description_terms(agent) for agent in ordered]),
        encoder_name=encoder.name,
        encoder_fingerprint=encoder.fingerprint,
        encoded=len(missing),
    )


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


def _known_vectors(previous: AgentIndex | None, encoder: Encoder) -> dict[str, NDArray[np.float32]]:
    if previous is None or previous.encoder_fingerprint != encoder.fingerprint:
        return {}
    vectors = previous.dense.vectors
    return {
        digest: vectors[previous.rows(position).start : previous.rows(position).stop]
        for position, digest in enumerate(previous.content_hashes)
    }


def encode_passages(
    texts: Sequence[str], encoder: Encoder, progress: Progress | None
) -> NDArray[np.float32]:
    """Encode each different text once, longest first so that batches hold equal lengths."""
    if not texts:
        return np.empty((0, 0), dtype=np.float32)
    different = sorted(set(texts), key=lambda text: (-len(text), text))
    blocks = []
    for start in range(0, len(different), ENCODE_BLOCK):
        if progress is not None:
            progress(start, len(different))
        blocks.append(encoder.encode_documents(different[start : start + ENCODE_BLOCK]))
    if progress is not None:
        progress(len(different), len(different))
    position = {text: row for row, text in enumerate(different)}
    return np.concatenate(blocks)[[position[text] for text in texts]]
