"""An interrupted build continues where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from agentmatch import index as index_module
from agentmatch.cache import cache_folder, load_cached_index
from agentmatch.encoders.base import Vectors
from agentmatch.index import build_index
from agentmatch.partial import PartialVectors
from agentmatch.store import PARTIAL
from agentmatch.types import Agent
from conftest import HashingEncoder, write_trades


class InterruptedEncoder(HashingEncoder):
    """Fail at the third block."""

    blocks = 0

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.blocks += 1
        if self.blocks == 3:
            raise KeyboardInterrupt
        return super().encode_documents(texts)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "ENCODE_BLOCK", 4)


def test_an_interrupted_build_continues(tmp_path: Path) -> None:
    folder = write_trades(tmp_path / "agents")
    interrupted, encoder, fresh = InterruptedEncoder(), HashingEncoder(), HashingEncoder()
    with pytest.raises(KeyboardInterrupt):
        load_cached_index(folder, interrupted)
    partial = cache_folder(folder, encoder) / PARTIAL
    assert partial.exists()
    continued = load_cached_index(folder, encoder).index
    assert len(interrupted.encoded) == 8
    assert not set(interrupted.encoded) & set(encoder.encoded)
    assert not partial.exists()
    whole = build_index(continued.agents, fresh)
    assert sorted(fresh.encoded) == sorted(interrupted.encoded + encoder.encoded)
    np.testing.assert_allclose(continued.dense.vectors, whole.dense.vectors, atol=1e-6)


def test_damaged_and_foreign_vectors_are_not_used(
    tmp_path: Path, trades: tuple[Agent, ...]
) -> None:
    file = tmp_path / "partial"
    texts = ["one", "two", "three"]
    vectors = np.eye(3, dtype=np.float32)
    PartialVectors(file, "model").append(texts, vectors)
    content = file.read_bytes()
    whole = PartialVectors(file, "model").read(texts, 3)
    assert list(whole) == texts
    np.testing.assert_array_equal(np.stack(list(whole.values())), vectors)
    # A killed writer leaves half a record; what follows it could not be read.
    file.write_bytes(content[:-5])
    assert list(PartialVectors(file, "model").read(texts, 3)) == texts[:2]
    PartialVectors(file, "model").append(texts[2:], vectors[2:])
    assert file.read_bytes() == content
    flipped = bytearray(content)
    flipped[len("model\n") + 40] ^= 1
    file.write_bytes(bytes(flipped))
    assert PartialVectors(file, "model").read(texts, 3) == {}
    file.write_bytes(content)
    assert PartialVectors(file, "other model").read(texts, 3) == {}
    assert PartialVectors(tmp_path / "missing", "model").read(texts, 3) == {}


def test_where_nothing_can_be_written_nothing_is_lost(
    tmp_path: Path, trades: tuple[Agent, ...], encoder: HashingEncoder
) -> None:
    (tmp_path / "file").write_text("no folder")
    partial = PartialVectors(tmp_path / "file" / "partial", encoder.fingerprint)
    index = build_index(trades, encoder, partial=partial)
    assert len(index.agents) == len(trades)
