"""The speed benchmark measures what it says."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from agentmatch import AgentMatcher
from benchmarks import million, scale, speed


def test_perturbed_vectors_are_unit_vectors_near_real_ones() -> None:
    generator = np.random.default_rng(1)
    centres = generator.standard_normal((8, 32))
    real = np.repeat(centres, 20, axis=0) + 0.3 * generator.standard_normal((160, 32))
    real = (real / np.linalg.norm(real, axis=1, keepdims=True)).astype(np.float32)
    drawn = million.perturbed(real, 300)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1, atol=1e-5)
    nearest = (drawn @ real.T).max(axis=1)
    assert nearest.mean() > 0.7
    assert (nearest < 0.999).mean() > 0.9
    np.testing.assert_array_equal(drawn, million.perturbed(real, 300))


def test_recall_and_times_of_a_small_search() -> None:
    generator = np.random.default_rng(3)
    real = generator.standard_normal((200, 16)).astype(np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    measured = million.measure(real, 4000, rival=True)
    lists = measured["inverted_lists"]
    assert lists["recall_at_build"] >= 0.98
    recalls = [entry["recall@10"] for entry in lists["other_efforts"]]
    assert recalls == sorted(recalls)
    assert measured["hnsw"]["searches"][-1]["recall@10"] > 0.9


def test_synthetic_requests_find_their_agents() -> None:
    agents = [speed._agent(record) for record in scale.synthetic_agents(50)]
    matcher = AgentMatcher(agents, encoder=scale.WordVectors())
    answers = matcher.match_many(scale.synthetic_requests(50, 50))
    found = [answer[0].agent.name for answer in answers]
    # Agents may share topics, so not every request has one right answer.
    right = sum(name == agent.name for name, agent in zip(found, agents, strict=True))
    assert right >= 40


def test_sizes_and_refreshes_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "REPEATS", 1)
    entry = scale.measure_size(20)
    assert (entry["agents"], entry["passages"], entry["search"]) == (20, 160, "exact")
    refreshed = scale.measure_refresh(10, 100.0)
    assert refreshed["passages"] == 80
    speed.plot([entry], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_sections_are_merged_into_one_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = argparse.ArgumentParser()
    speed.add_arguments(parser)
    output = tmp_path / "speed.json"
    output.write_text('{"cold": 1}')
    monkeypatch.setitem(speed.SECTIONS, "latency", lambda _, result: result["cold"] + 1)
    assert speed.run(parser.parse_args(["latency", "--output", str(output)])) == 0
    found = json.loads(output.read_text())
    assert (found["cold"], found["latency"]) == (1, 2)
    assert speed.run(parser.parse_args(["nothing", "--output", str(output)])) == 2
