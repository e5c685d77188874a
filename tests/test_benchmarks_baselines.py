"""Baselines of the benchmarks against tiny oracles."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agentmatch import Agent, AgentMatcher, LabelledRequest
from benchmarks.baselines import dense, lexical
from benchmarks.run import agentmatch_answers, keep_other_methods
from benchmarks.sets import hash_requests, read_set, with_examples
from benchmarks.task import Task, build_task
from benchmarks.vectors import CachedEncoder

AGENTS = (
    Agent(
        name="baker",
        description="Bakes bread and cakes.",
        capabilities=("Knead sourdough", "Proof brioche"),
    ),
    Agent(name="carpenter", description="Builds oak tables."),
    Agent(name="diver"),
)
REQUESTS = (
    LabelledRequest("1", "Knead some sourdough bread", ("baker",), "test"),
    LabelledRequest("2", "An oak table", ("carpenter",), "test"),
    LabelledRequest("3", "Sing a song", (), "test"),
)
TRAIN = (
    LabelledRequest("4", "A loaf of rye", ("baker",), "train"),
    LabelledRequest("5", "Shelves of pine", ("carpenter",), "train"),
    LabelledRequest("6", "Rye rolls", ("baker",), "train"),
)


@pytest.fixture
def task(encoder: Any) -> Task:
    return build_task(AgentMatcher(reversed(AGENTS), encoder=encoder), REQUESTS, TRAIN)


def test_a_task_holds_the_texts_and_vectors_of_the_index(task: Task, encoder: Any) -> None:
    assert task.names == ("baker", "carpenter", "diver")
    assert task.passages == (
        "Bakes bread and cakes.",
        "Knead sourdough",
        "Proof brioche",
        "Builds oak tables.",
        "diver",
    )
    assert task.owners.tolist() == [0, 0, 0, 1, 2]
    assert task.train_owners.tolist() == [0, 1, 0]
    np.testing.assert_allclose(
        task.passage_vectors, encoder.encode_documents(task.passages), atol=1e-6
    )
    np.testing.assert_allclose(
        task.whole_vectors, encoder.encode_documents(task.whole_texts), atol=1e-6
    )
    np.testing.assert_allclose(
        task.train_vectors, encoder.encode_queries([r.text for r in TRAIN]), atol=1e-6
    )


def test_dense_baselines_equal_their_definitions(task: Task) -> None:
    for row, request in enumerate(task.request_vectors):
        for agent in range(len(task.names)):
            own = task.passage_vectors[task.owners == agent]
            centroid = own.mean(axis=0)
            expected = {
                dense.whole_text: request @ task.whole_vectors[agent],
                dense.best_passage: max(request @ passage for passage in own),
                dense.nearest_centroid: request @ centroid / np.linalg.norm(centroid),
            }
            for method, value in expected.items():
                assert method(task)[row, agent] == pytest.approx(value, abs=1e-5)


def test_bm25_equals_the_formula_of_lucene(task: Task) -> None:
    documents = ["red apple red", "green apple", "blue"]
    small = replace(task, whole_texts=tuple(documents), requests=("red apple", "unknown"))
    scores = lexical.bm25(small)
    k1, b = 1.5, 0.75
    counts = [Counter(text.split()) for text in documents]
    mean = sum(map(len, (text.split() for text in documents))) / 3
    expected = np.zeros(3)
    for term in ("red", "apple"):
        found = sum(term in count for count in counts)
        idf = log(1 + (3 - found + 0.5) / (found + 0.5))
        for at, count in enumerate(counts):
            length = sum(count.values()) / mean
            expected[at] += idf * count[term] / (count[term] + k1 * (1 - b + b * length))
    np.testing.assert_allclose(scores[0], expected, rtol=1e-5)
    assert not scores[1].any()


def test_tfidf_prefers_the_rarer_shared_word(task: Task) -> None:
    small = replace(
        task,
        whole_texts=("apple apple pear", "apple plum", "apple"),
        requests=("plum", "apple", "the"),
    )
    scores = lexical.tfidf(small)
    assert scores[0].argmax() == 1
    assert scores[1].argmax() == 2
    assert scores[1, 2] == pytest.approx(1)
    assert not scores[2].any()


def test_logistic_regression_learns_and_puts_unseen_agents_last(task: Task) -> None:
    learned = replace(task, request_vectors=task.train_vectors)
    scores = dense.logistic_regression(learned)
    assert scores.argmax(axis=1).tolist() == task.train_owners.tolist()
    assert (scores.argmin(axis=1) == 2).all()


def test_agentmatch_answers_as_match_does(encoder: Any) -> None:
    matcher = AgentMatcher(AGENTS, encoder=encoder)
    answers = agentmatch_answers(matcher, [request.text for request in REQUESTS])
    for at, request in enumerate(REQUESTS):
        result = matcher.match(request.text, top_k=3)
        assert answers.rankings[at] == [match.agent.name for match in result]
        assert answers.best[at] == pytest.approx(result[0].score, abs=1e-5)


def test_a_run_of_one_method_keeps_the_others_of_the_same_requests(tmp_path: Path) -> None:
    def result(requests: str, **methods: int) -> dict[str, Any]:
        same = {"format": 1, "requests_sha256": requests, "encoder": {}, "versions": {}}
        return {**same, "settings": {"zero_shot": {"methods": methods}}}

    file = tmp_path / "set.json"
    new = keep_other_methods(result("x", bm25=2), file)
    assert new["settings"]["zero_shot"]["methods"] == {"bm25": 2}
    file.write_text(json.dumps(result("x", tfidf=1, bm25=1, agentmatch=1)))
    new = keep_other_methods(result("x", bm25=2), file)
    assert list(new["settings"]["zero_shot"]["methods"].items()) == [
        ("agentmatch", 1),
        ("bm25", 2),
        ("tfidf", 1),
    ]
    new = keep_other_methods(result("other", bm25=2), file)
    assert new["settings"]["zero_shot"]["methods"] == {"bm25": 2}


def test_labelled_requests_become_example_tasks_once() -> None:
    agents = with_examples(AGENTS, (*TRAIN, TRAIN[0]))
    assert [agent.example_tasks for agent in agents] == [
        ("A loaf of rye", "Rye rolls"),
        ("Shelves of pine",),
        (),
    ]


def test_a_request_hash_changes_with_a_label() -> None:
    changed = (replace(REQUESTS[0], agents=("diver",)), *REQUESTS[1:])
    assert hash_requests(REQUESTS) != hash_requests(changed)
    assert hash_requests(REQUESTS) == hash_requests(list(REQUESTS))


def test_a_set_is_read_with_its_splits(tmp_path: Path) -> None:
    agents, requests = tmp_path / "agents.jsonl", tmp_path / "requests.jsonl"
    agents.write_text('{"id": "a", "description": "One"}\n{"id": "b", "description": "Two"}\n')
    requests.write_text(
        '{"id": "1", "text": "x", "agents": ["a"], "split": "train"}\n'
        '{"id": "2", "text": "y", "agents": [], "split": "test"}\n'
    )
    found = read_set("metatool", agents, requests)
    assert [agent.name for agent in found.agents] == ["a", "b"]
    assert [request.id for request in found.split("test")] == ["2"]
    assert found.settings == ("zero_shot", "trained")
    assert read_set("clinc150", agents, requests).settings == ("trained",)


def test_vectors_are_encoded_once_and_kept(tmp_path: Path, encoder: Any) -> None:
    first = CachedEncoder(encoder, tmp_path, "set")
    vectors = first.encode_documents(["one", "two words", "one"])
    assert sorted(encoder.encoded) == ["one", "two words"]
    first.save()
    again = CachedEncoder(encoder, tmp_path, "set")
    np.testing.assert_array_equal(again.encode_documents(["one", "two words", "one"]), vectors)
    assert again.encoded == 0
    again.encode_documents(["three"])
    assert sorted(encoder.encoded) == ["one", "three", "two words"]
    np.testing.assert_array_equal(vectors[:2], encoder.encode_documents(["one", "two words"]))


def test_vectors_of_another_encoder_are_not_used(tmp_path: Path, encoder: Any) -> None:
    first = CachedEncoder(encoder, tmp_path, "set")
    first.encode_documents(["one"])
    first.save()
    same = CachedEncoder(encoder, tmp_path, "set")
    same.encode_documents(["one"])
    assert same.encoded == 0
    encoder.fingerprint = "another"
    cached = CachedEncoder(encoder, tmp_path, "set")
    cached.encode_documents(["one"])
    assert cached.encoded == 1


def test_requests_and_passages_have_vectors_of_their_own(
    tmp_path: Path, encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = encoder.encode_documents
    monkeypatch.setattr(encoder, "encode_queries", lambda texts: -documents(texts))
    cached = CachedEncoder(encoder, tmp_path, "set")
    np.testing.assert_array_equal(cached.encode_queries(["one"]), -cached.encode_documents(["one"]))
