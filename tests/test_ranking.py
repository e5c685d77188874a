"""Passage scores to agent scores, against a plain NumPy and Python oracle."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmatch.ranking import (
    TOP_PASSAGES,
    WEIGHTS,
    PassageLayout,
    dense_signals,
    fuse,
    lexical_signal,
    order,
    signal_shares,
)

# Few different values, so that ties are common.
VALUES = st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.75, 1.0])


@st.composite
def scored_layouts(draw: st.DrawFn) -> tuple[np.ndarray, PassageLayout, list[list[int]]]:
    evidence = draw(st.lists(st.integers(0, 6), min_size=1, max_size=6))
    described = [count > 0 and draw(st.booleans()) for count in evidence]
    offsets = np.cumsum([0, *(2 + count for count in evidence)]).astype(np.int64)
    requests = draw(st.integers(1, 3))
    size = int(offsets[-1]) * requests
    flat = draw(st.lists(VALUES, min_size=size, max_size=size))
    rows = [list(range(offsets[i] + 2, offsets[i + 1])) for i in range(len(evidence))]
    scores = np.array(flat, dtype=np.float32).reshape(requests, -1)
    return scores, PassageLayout(offsets, np.array(described, dtype=np.bool_)), rows


@settings(max_examples=300)
@given(scored_layouts())
def test_dense_signals_equal_a_loop_over_agents(
    case: tuple[np.ndarray, PassageLayout, list[list[int]]],
) -> None:
    scores, layout, rows = case
    signals = dense_signals(scores, layout)
    for request in range(len(scores)):
        for agent, evidence in enumerate(rows):
            start = layout.offsets[agent]
            row = scores[request]
            whole = row[start + 1]
            best = sorted((row[i] for i in evidence), reverse=True)
            expected = {
                "name": row[start],
                "whole_text": whole,
                "description": row[start + 2] if layout.has_description[agent] else whole,
                "best_passage": best[0] if best else whole,
                "top_passages": np.mean(best[:TOP_PASSAGES]) if best else whole,
            }
            for name, value in expected.items():
                assert signals[name][request, agent] == pytest.approx(value, abs=1e-6), name


def test_dense_signals_leave_the_similarities_alone() -> None:
    scores = np.array([[0.1, 0.2, 0.3, 0.4]], dtype=np.float32)
    dense_signals(scores, PassageLayout(np.array([0, 4]), np.array([True])))
    assert scores.tolist() == np.array([[0.1, 0.2, 0.3, 0.4]], dtype=np.float32).tolist()


def test_lexical_signal_is_the_share_of_the_best() -> None:
    scores = np.array([[0, 2, 4], [0, 0, 0]], dtype=np.float32)
    assert lexical_signal(scores).tolist() == [[0, 0.5, 1], [0, 0, 0]]


def test_the_score_is_the_weighted_mean_of_the_signals() -> None:
    generator = np.random.default_rng(0)
    signals = {name: generator.random((3, 5), dtype=np.float32) for name in WEIGHTS}
    expected = np.average(
        [signals[name] for name in WEIGHTS], axis=0, weights=list(WEIGHTS.values())
    )
    np.testing.assert_allclose(fuse(signals), expected, rtol=1e-5)
    shares = signal_shares(signals)
    np.testing.assert_allclose(sum(shares.values()), expected, rtol=1e-5)


def test_signals_without_weight_are_left_out() -> None:
    signals = {"a": np.ones((1, 1), np.float32), "b": np.zeros((1, 1), np.float32)}
    assert fuse(signals, {"a": 2.0}).tolist() == [[1.0]]
    with pytest.raises(ValueError, match="no signal"):
        fuse(signals, {"a": 0.0})


@given(st.lists(VALUES, min_size=1, max_size=12), st.integers(1, 15), st.randoms())
def test_order_is_by_score_then_name_whatever_the_input_order(
    values: list[float], top_k: int, shuffler: random.Random
) -> None:
    names = [f"agent-{number:02}" for number in range(len(values))]
    expected = sorted(zip(values, names, strict=True), key=lambda pair: (-pair[0], pair[1]))
    pairs = list(zip(values, names, strict=True))
    shuffler.shuffle(pairs)
    shuffled = np.array([value for value, _ in pairs], dtype=np.float32)
    shuffled_names = [name for _, name in pairs]
    ranking = [shuffled_names[position] for position in order(shuffled, shuffled_names, top_k)]
    assert ranking == [name for _, name in expected][:top_k]


@given(st.floats(-1, 1), st.integers(1, 3))
def test_order_ignores_the_noise_of_floating_point(score: float, top_k: int) -> None:
    noisy = np.array([score, score + 5e-8, score - 5e-8])
    assert order(noisy, ["alder", "birch", "cedar"], top_k) == [0, 1, 2][:top_k]
