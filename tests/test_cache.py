"""The index that is kept for each catalogue in the user's cache folder."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentmatch.cache import cache_folder, load_cached_index
from agentmatch.store import read_index, read_manifest
from conftest import TRADES, HashingEncoder, write_trades

TESTS = Path(__file__).parent


def settle(folder: Path) -> None:
    """Let the files look as if they had been written long ago."""
    for file in folder.rglob("*.md"):
        moment = file.stat().st_mtime_ns - 60_000_000_000
        os.utime(file, ns=(moment, moment))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_trades(tmp_path / "agents")
    settle(folder)
    return folder


def test_the_second_time_nothing_is_encoded(folder: Path, encoder: HashingEncoder) -> None:
    first = load_cached_index(folder, encoder)
    assert encoder.encoded
    encoder.encoded.clear()
    second = load_cached_index(folder, encoder)
    assert not encoder.encoded
    assert second.index.agents == first.index.agents


def test_only_changed_agents_are_encoded(folder: Path, encoder: HashingEncoder) -> None:
    load_cached_index(folder, encoder)
    encoder.encoded.clear()
    file = folder / "baker.md"
    file.write_text(file.read_text().replace("A party needs a cake", "The oven is cold"))
    (folder / "mason.md").write_text("# mason: Mason\n\n## Description\nLays bricks.\n")
    (folder / "roofer.md").unlink()
    changed = load_cached_index(folder, encoder)
    assert "The oven is cold" in encoder.encoded
    assert "Lays bricks." in encoder.encoded
    assert not any("tap" in text for text in encoder.encoded)
    names = [agent.name for agent in changed.index.agents]
    assert names == sorted([*TRADES.keys() - {"roofer"}, "mason"])
    # What was written back is what a new build would give.
    encoder.encoded.clear()
    settle(folder)
    assert load_cached_index(folder, encoder).index.agents == changed.index.agents
    assert not encoder.encoded


def test_a_touched_file_costs_no_encoding(folder: Path, encoder: HashingEncoder) -> None:
    load_cached_index(folder, encoder)
    generation = read_manifest(cache_folder(folder, encoder)).generation
    encoder.encoded.clear()
    os.utime(folder / "baker.md", ns=(1, 1))
    load_cached_index(folder, encoder)
    assert not encoder.encoded
    assert read_manifest(cache_folder(folder, encoder)).generation == generation


def test_text_that_is_not_indexed_is_kept_up_to_date(folder: Path, encoder: HashingEncoder) -> None:
    load_cached_index(folder, encoder)
    encoder.encoded.clear()
    file = folder / "baker.md"
    file.write_text(file.read_text() + "\n## Best Practices\n- Wash your hands\n")
    agents = load_cached_index(folder, encoder).index.agents
    assert not encoder.encoded
    baker = next(agent for agent in agents if agent.name == "baker")
    assert baker.best_practices == ("Wash your hands",)


def test_encoders_and_catalogues_have_indexes_of_their_own(folder: Path, tmp_path: Path) -> None:
    other = write_trades(tmp_path / "other", ["baker"])
    one, two = HashingEncoder(salt="one"), HashingEncoder(salt="two")
    places = {cache_folder(path, encoder) for path in (folder, other) for encoder in (one, two)}
    assert len(places) == 4
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert cache_folder(link, one) == cache_folder(folder, one)


def test_a_damaged_cache_is_named_and_built_anew(
    folder: Path, encoder: HashingEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    load_cached_index(folder, encoder)
    place = cache_folder(folder, encoder)
    vectors = place / read_manifest(place).generation / "vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:-7])
    with caplog.at_level(logging.WARNING, logger="agentmatch"):
        cached = load_cached_index(folder, encoder)
    assert "truncated or edited" in caplog.text
    assert len(cached.index.agents) == len(TRADES)
    assert read_index(place).index.agents == cached.index.agents


def test_without_a_writable_cache_the_answer_is_the_same(
    folder: Path,
    encoder: HashingEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the cache folder should be")
    monkeypatch.setenv("AGENTMATCH_CACHE_DIR", str(blocked))
    with caplog.at_level(logging.WARNING, logger="agentmatch"):
        cached = load_cached_index(folder, encoder)
    assert "cannot be kept" in caplog.text
    assert len(cached.index.agents) == len(TRADES)


BUILD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import HashingEncoder
from agentmatch.cache import load_cached_index
for _ in range(8):
    cached = load_cached_index(sys.argv[1], HashingEncoder())
    assert len(cached.index.agents) >= 5
    Path(sys.argv[1], sys.argv[2]).write_text(Path(sys.argv[1], "baker.md").read_text())
print("fine")
"""


def test_two_processes_may_refresh_one_cache_at_once(folder: Path) -> None:
    script = BUILD.format(tests=str(TESTS))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(folder), f"copy-{number}.md"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert output == "fine\n", errors
    encoder = HashingEncoder()
    load_cached_index(folder, encoder)
    assert not encoder.encoded
