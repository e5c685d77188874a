"""A tuned index on the disk: the same answers after loading, damage is noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agentmatch.errors import IndexCorruptError, IndexFormatError
from agentmatch.matcher import AgentMatcher
from agentmatch.store import read_index
from conftest import TRADES, HashingEncoder, trade
from test_tuning import JARGON, requests_for

QUESTIONS = [*JARGON.values(), "nothing of the kind", "Bake forty rolls"]


@pytest.fixture
def tuned() -> AgentMatcher:
    matcher = AgentMatcher([trade(name) for name in TRADES], encoder=HashingEncoder())
    matcher.tune(requests_for(list(TRADES), 5, none=6))
    return matcher


def test_a_loaded_matcher_answers_as_the_saved_one(tuned: AgentMatcher, tmp_path: Path) -> None:
    tuned.save(tmp_path / "index")
    loaded = AgentMatcher.load(tmp_path / "index", encoder=HashingEncoder())
    assert loaded.match_many(QUESTIONS) == tuned.match_many(QUESTIONS)
    assert loaded.max_none == tuned.max_none
    before, after = tuned.observe(QUESTIONS), loaded.observe(QUESTIONS)
    np.testing.assert_array_equal(before.scores, after.scores)
    np.testing.assert_array_equal(before.none, after.none)


def test_an_untuned_index_has_no_head(tuned: AgentMatcher, tmp_path: Path) -> None:
    tuned.use_head(None)
    tuned.save(tmp_path / "index")
    assert read_index(tmp_path / "index").head is None
    assert AgentMatcher.load(tmp_path / "index", encoder=HashingEncoder()).head is None


def test_the_manifest_describes_the_head(tuned: AgentMatcher, tmp_path: Path) -> None:
    tuned.save(tmp_path / "index")
    manifest = read_index(tmp_path / "index").manifest
    assert manifest.head is not None
    assert manifest.head["requests"] == 31
    assert tuned.head is not None
    assert manifest.head["requests_hash"] == tuned.head.requests_hash
    assert {name for name in manifest.files if name.startswith("head/")} == {
        "head/head.json",
        "head/vectors.npy",
        "head/coefficients.npy",
        "head/term_weights.npy",
        "head/by_term.npy",
    }


def test_other_labels_have_another_hash(tuned: AgentMatcher) -> None:
    assert tuned.head is not None
    first = tuned.head.requests_hash
    tuned.tune(requests_for(list(TRADES), 5, none=6, seed=1))
    assert tuned.head.requests_hash != first


def test_damage_to_a_file_of_the_head_is_noticed(tuned: AgentMatcher, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    tuned.save(folder)
    file = next(folder.glob("generation-*/head/coefficients.npy"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(IndexCorruptError, match=r"head/coefficients\.npy"):
        AgentMatcher.load(folder, encoder=HashingEncoder())


def test_a_head_of_another_format_is_refused(
    tuned: AgentMatcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned.save(tmp_path / "index")
    monkeypatch.setattr("agentmatch.tuning.storage.HEAD_FORMAT", 99)
    with pytest.raises(IndexFormatError, match="tune again"):
        AgentMatcher.load(tmp_path / "index", encoder=HashingEncoder())
