"""Building an index: what is encoded, what is taken over, what does not matter."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agentmatch.dense import DenseIndex
from agentmatch.errors import DuplicateAgentError, NoAgentsError
from agentmatch.index import build_index
from agentmatch.lexical import LexicalIndex
from agentmatch.tokens import tokenize
from agentmatch.types import Agent
from conftest import HashingEncoder


def many_agents(count: int) -> list[Agent]:
    return [
        Agent(
            f"agent-{number:03}",
            description=f"Looks after machine {number} in hall {number % 7}.",
            when_to_use=(f"Machine {number} stops", f"Hall {number % 7} is dark"),
        )
        for number in range(count)
    ]


def test_vectors_are_those_of_the_passages(
    trades: tuple[Agent, ...], encoder: HashingEncoder
) -> None:
    index = build_index(trades, encoder)
    texts = [passage.text for passage in index.passages]
    np.testing.assert_allclose(index.dense.vectors, encoder.encode_queries(texts), atol=1e-6)
    assert [agent.name for agent in index.agents] == sorted(agent.name for agent in trades)
    for position, agent in enumerate(index.agents):
        assert index.passages[index.rows(position).start].text == agent.name


def test_agent_order_does_not_matter(trades: tuple[Agent, ...], encoder: HashingEncoder) -> None:
    shuffled = list(trades)
    random.Random(1).shuffle(shuffled)
    one, other = build_index(trades, encoder), build_index(shuffled, encoder)
    assert one.passages == other.passages
    np.testing.assert_array_equal(one.dense.vectors, other.dense.vectors)


def test_a_text_that_many_agents_share_is_encoded_once(encoder: HashingEncoder) -> None:
    agents = [Agent(name, when_to_use=("The lights are out",)) for name in ("a", "b", "c")]
    build_index(agents, encoder)
    assert encoder.encoded.count("The lights are out") == 1


def test_changing_one_of_400_agents_encodes_one_agent(encoder: HashingEncoder) -> None:
    agents = many_agents(400)
    first = build_index(agents, encoder)
    encoder.encoded.clear()
    agents[123] = replace(agents[123], when_to_use=("Machine 123 smokes",))
    second = build_index(agents, encoder, previous=first)
    changed = {passage.text for passage in second.passages[slice_of(second, "agent-123")]}
    assert set(encoder.encoded) == changed
    assert second.encoded == len(second.rows(123))
    fresh = build_index(agents, HashingEncoder())
    np.testing.assert_array_equal(second.dense.vectors, fresh.dense.vectors)


def slice_of(index: object, name: str) -> slice:
    position = [agent.name for agent in index.agents].index(name)  # type: ignore[attr-defined]
    rows = index.rows(position)  # type: ignore[attr-defined]
    return slice(rows.start, rows.stop)


def test_vectors_of_another_encoder_are_not_taken_over(trades: tuple[Agent, ...]) -> None:
    first = build_index(trades, HashingEncoder(salt="one"))
    other = HashingEncoder(salt="two")
    second = build_index(trades, other, previous=first)
    assert second.encoded == len(second.passages)
    assert second.encoder_fingerprint == other.fingerprint


def test_progress_counts_the_texts(trades: tuple[Agent, ...], encoder: HashingEncoder) -> None:
    calls: list[tuple[int, int]] = []
    build_index(trades, encoder, progress=lambda done, total: calls.append((done, total)))
    assert calls[0][0] == 0
    assert calls[-1] == (len(encoder.encoded), len(encoder.encoded))


def test_no_agents_and_equal_names_are_errors(encoder: HashingEncoder) -> None:
    with pytest.raises(NoAgentsError):
        build_index([], encoder)
    twins = [Agent("dba", path=Path("a.md")), Agent("dba", path=Path("b.md"))]
    with pytest.raises(DuplicateAgentError, match=r"a\.md, b\.md"):
        build_index(twins, encoder)


def test_dense_similarities_are_cosines(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    vectors = generator.standard_normal((40, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = DenseIndex(vectors)
    expected = vectors[:5].astype(np.float64) @ vectors.T.astype(np.float64)
    np.testing.assert_allclose(index.similarities(vectors[:5]), expected, atol=1e-6)
    similarities, rows = index.search(vectors[:5], 7)
    np.testing.assert_array_equal(rows, np.argsort(-expected, axis=1)[:, :7])
    np.testing.assert_allclose(similarities, -np.sort(-expected, axis=1)[:, :7], atol=1e-6)
    index.save(tmp_path / "vectors.npy")
    loaded = DenseIndex.load(tmp_path / "vectors.npy")
    np.testing.assert_array_equal(loaded.vectors, vectors)
    assert (len(loaded), loaded.dimension) == (40, 16)
    assert index.search(vectors[:1], 1000)[1].shape == (1, 40)


def bm25(texts: list[str], request: str, k1: float = 1.5, b: float = 0.75) -> np.ndarray:
    """Score by BM25 as Lucene does, straight from the formula."""
    documents = [tokenize(text) for text in texts]
    average = np.mean([len(document) for document in documents])
    scores = np.zeros(len(texts))
    for term in tokenize(request):
        holders = sum(term in document for document in documents)
        idf = np.log(1 + (len(texts) - holders + 0.5) / (holders + 0.5))
        for number, document in enumerate(documents):
            count = document.count(term)
            length = 1 - b + b * len(document) / average
            scores[number] += idf * count / (k1 * length + count) if holders else 0
    return scores


def test_lexical_scores_are_bm25(tmp_path: Path) -> None:
    texts = ["Mend the roof", "Mend pipes, mend taps", "", "Bake bread at the roof cafe"]
    requests = ["mend my roof", "mend mend", "unknown words", "roof bread"]
    index = LexicalIndex.build(texts)
    expected = [bm25(texts, request) for request in requests]
    np.testing.assert_allclose(index.scores(requests), expected, atol=1e-5)
    index.save(tmp_path / "lexical")
    np.testing.assert_array_equal(
        LexicalIndex.load(tmp_path / "lexical", len(texts)).scores(requests), index.scores(requests)
    )


@pytest.mark.parametrize("texts", [[""], ["", "🙂"], ["the"]])
def test_texts_without_words_score_nothing(texts: list[str], tmp_path: Path) -> None:
    index = LexicalIndex.build(texts)
    index.save(tmp_path / "lexical")
    for lexical in (index, LexicalIndex.load(tmp_path / "lexical", len(texts))):
        assert lexical.scores(["the roof"]).tolist() == [[0.0] * len(texts)]
