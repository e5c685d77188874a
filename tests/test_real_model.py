"""The real default model on our own agents: what the README promises."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agentmatch import AgentMatcher, SentenceTransformerEncoder, load_catalogue, load_encoder
from conftest import AGENTS


@pytest.fixture(scope="module")
def matcher(real_cache: Path) -> AgentMatcher:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTMATCH_CACHE_DIR", str(real_cache))
        return AgentMatcher.from_directory(AGENTS)


def test_vectors_are_those_of_plain_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    from agentmatch.encoders.models import DEFAULT_MODEL, find_model

    texts = ["Rotate the TLS certificate", "", "修复登录", "🙂 " * 50, "word " * 2000]
    plain = SentenceTransformer(str(find_model(DEFAULT_MODEL)), device="cpu").float()
    expected = plain.encode(texts, normalize_embeddings=True)
    encoder = SentenceTransformerEncoder()
    assert encoder.dimension == 384
    np.testing.assert_allclose(encoder.encode_queries(texts), expected, atol=1e-5)


def varied_texts() -> list[str]:
    """Return 500 texts: lines of our agents, alone and in heaps, and stranger things."""
    generator = random.Random(0)
    lines = [
        line for file in sorted(AGENTS.rglob("*.md")) for line in file.read_text().splitlines()
    ]
    texts = generator.sample(sorted({line for line in lines if line}), 420)
    texts += ["\n".join(generator.sample(lines, 12)) for _ in range(20)]
    texts += ["", " \t\n", "a", "?", "[SEP]", "x" * 500, "\u0301\u0308", "word " * 5000]
    texts += [" ".join(generator.sample(lines, 500)) for _ in range(2)]
    texts += [
        "🙂",
        "👩‍👩‍👧‍👦 🏳️‍🌈 ✔️",
        "部署失败，请检查日志",
        "ログインできません",
        "로그인 오류",
        "تسجيل الدخول",
    ]
    texts += [f"def handler_{n}(event): return event['id'] ** {n} >= 0x{n:x}" for n in range(30)]
    texts += [f"2026-11-25T01:54:{n:02d}.123Z ERROR [worker-{n}] ECONNRESET" for n in range(14)]
    return texts


@pytest.mark.slow
def test_every_runtime_gives_the_vectors_and_ranks_of_sentence_transformers() -> None:
    texts = varied_texts()
    assert len(texts) == 500
    oracle = load_encoder(runtime="sentence-transformers")
    expected = oracle.encode_documents(texts)
    passages = expected[:300]
    best = np.argsort(-(expected[300:] @ passages.T), axis=1, kind="stable")[:, :5]
    for runtime in ("numpy", "onnxruntime"):
        encoder = load_encoder(runtime=runtime)
        assert encoder.fingerprint == oracle.fingerprint
        vectors = encoder.encode_documents(texts)
        assert (vectors * expected).sum(axis=1, dtype=np.float64).min() >= 0.99999
        similarities = vectors[300:] @ vectors[:300].T
        np.testing.assert_array_equal(np.argsort(-similarities, axis=1, kind="stable")[:, :5], best)


def test_the_jwt_request_goes_to_the_backend_engineer(matcher: AgentMatcher) -> None:
    best = matcher.match("Implement user authentication with JWT")[0]
    assert best.agent.name == "backend-engineer"
    assert "uthentication" in best.evidence[0].text


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("the build is green locally but red on the runner", "ci-cd-engineer"),
        ("who can read this NDA before we sign", "contract-lawyer"),
        ("users with a screen reader cannot submit the form", "accessibility-auditor"),
        ("pods are crash looping after the last deploy", "kubernetes-engineer"),
        ("Die Anmeldung per JWT soll implementiert werden", "backend-engineer"),
    ],
)
def test_plain_requests_find_their_agent(
    matcher: AgentMatcher, request_text: str, expected: str
) -> None:
    assert expected in [match.agent.name for match in matcher.match(request_text, top_k=3)]


def test_a_list_of_jobs_gets_one_agent_each(matcher: AgentMatcher) -> None:
    request = (
        "1. Write unit tests for the parser\n2. Draw a new logo\n"
        "3. Translate the app to French\n4. Rotate our TLS certificates"
    )
    team = matcher.match_team(request)
    assert [member.agent.name for member in team] == [
        "test-automation-engineer",
        "brand-designer",
        "localization-specialist",
        "network-engineer",
    ]
    (only,) = matcher.match_team("Our checkout is slow. It takes 5 seconds. What can we do?")
    assert only.agent.name == "performance-engineer"


def test_every_agent_answers_to_its_own_examples(matcher: AgentMatcher) -> None:
    tasks = [(agent.name, task) for agent in matcher.agents for task in agent.example_tasks]
    results = matcher.match_many([task for _, task in tasks], top_k=1)
    right = sum(
        result[0].agent.name == name for (name, _), result in zip(tasks, results, strict=True)
    )
    assert right / len(tasks) > 0.98


def test_our_own_catalogue_is_complete_and_clean() -> None:
    from agentmatch import check_catalogue

    catalogue = load_catalogue(AGENTS)
    assert len(catalogue) >= 64
    assert not check_catalogue(catalogue)
    for agent in catalogue:
        assert len(agent.when_to_use) >= 6, agent.name
        assert len(agent.example_tasks) >= 6, agent.name


def test_the_command_answers_with_the_network_switched_off(tmp_path: Path) -> None:
    # A proxy that does not exist stands in for a machine without network.
    environment = {
        **os.environ,
        "AGENTMATCH_CACHE_DIR": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hub"),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    few = tmp_path / "agents"
    few.mkdir()
    for name in ("development/backend-engineer.md", "design/ui-designer.md"):
        (few / Path(name).name).write_text((AGENTS / name).read_text())
    command = [sys.executable, "-m", "agentmatch", "match", "draw a login screen", "--json"]
    done = subprocess.run(
        [*command, "--agents", str(few)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert json.loads(done.stdout)["matches"][0]["agent"] == "ui-designer"
    assert not done.stderr
