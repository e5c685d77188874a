"""Saved indexes: read back whole, or refused with the reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from agentmatch.errors import (
    IndexCorruptError,
    IndexFolderError,
    IndexFormatError,
    IndexNotFoundError,
)
from agentmatch.index import AgentIndex, build_index
from agentmatch.store import MANIFEST, lock, read_index, read_manifest, write_index
from agentmatch.types import Agent, Problem
from conftest import HashingEncoder, trade


@pytest.fixture
def index(trades: tuple[Agent, ...], encoder: HashingEncoder) -> AgentIndex:
    return build_index(trades, encoder)


def generation_files(folder: Path) -> list[Path]:
    return sorted(
        file for file in (folder / read_manifest(folder).generation).rglob("*") if file.is_file()
    )


def test_an_index_is_read_back_as_it_was(index: AgentIndex, tmp_path: Path) -> None:
    problems = (Problem("error", "invalid-yaml", "bad", Path("a.md"), 3),)
    write_index(tmp_path / "index", index, problems=problems)
    stored = read_index(tmp_path / "index")
    assert stored.index.agents == index.agents
    assert stored.index.passages == index.passages
    assert stored.index.content_hashes == index.content_hashes
    np.testing.assert_array_equal(stored.index.dense.vectors, index.dense.vectors)
    for name in ("lexical_whole_text", "lexical_description"):
        np.testing.assert_array_equal(
            getattr(stored.index, name).scores(["drip"]), getattr(index, name).scores(["drip"])
        )
    assert stored.manifest.problems == problems
    assert stored.manifest.encoder_fingerprint == index.encoder_fingerprint


def test_odd_text_survives(encoder: HashingEncoder, tmp_path: Path) -> None:
    agent = Agent("日本語", description="a\u2028b \U0001f600 \ud800 'quoted'", metadata={"n": [1]})
    write_index(tmp_path / "index", build_index([agent], encoder))
    assert read_index(tmp_path / "index").index.agents == (agent,)


def test_a_folder_without_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="agentmatch index"):
        read_index(tmp_path)
    with pytest.raises(IndexNotFoundError):
        read_index(tmp_path / "missing")


def test_every_kind_of_damage_to_every_file_is_found(index: AgentIndex, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    write_index(folder, index, parsed=[b'{"files": []}', b"[]"])
    files = generation_files(folder)
    assert len(files) >= 16
    for file in files:
        content = file.read_bytes()
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        for damaged in (content[:-1], b"", content + b"\n", bytes(flipped)):
            if damaged == content:
                continue
            file.write_bytes(damaged)
            with pytest.raises(IndexCorruptError, match=file.name):
                read_index(folder)
        file.unlink()
        with pytest.raises(IndexCorruptError, match=file.name):
            read_index(folder)
        file.write_bytes(content)
    assert read_index(folder).index.agents == index.agents


def test_an_edited_manifest_is_found(index: AgentIndex, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    write_index(folder, index)
    file = folder / MANIFEST
    original = file.read_text()
    for edited in (original[:-20], original.replace("hashing", "hashinG"), "[]", "", "{}", "\0"):
        file.write_text(edited)
        with pytest.raises((IndexCorruptError, IndexFormatError)):
            read_index(folder)
    document = json.loads(original)
    document["format"] += 1
    file.write_text(json.dumps(document))
    with pytest.raises(IndexFormatError, match="another format"):
        read_index(folder)


def test_files_of_another_index_are_found(
    index: AgentIndex, encoder: HashingEncoder, tmp_path: Path
) -> None:
    folder, other = tmp_path / "one", tmp_path / "two"
    write_index(folder, index)
    write_index(other, build_index([trade("roofer"), trade("baker")], encoder))
    for file, foreign in zip(generation_files(folder), generation_files(other), strict=True):
        content = file.read_bytes()
        if content != foreign.read_bytes():
            file.write_bytes(foreign.read_bytes())
            with pytest.raises(IndexCorruptError):
                read_index(folder)
            file.write_bytes(content)


def test_writing_again_leaves_one_generation(index: AgentIndex, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    for _ in range(3):
        write_index(folder, index)
    assert len([entry for entry in folder.iterdir() if entry.is_dir()]) == 1


def test_a_folder_with_other_files_is_not_overwritten(index: AgentIndex, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(IndexFolderError, match=r"thesis\.txt"):
        write_index(tmp_path, index)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(IndexFolderError, match="is a file"):
        write_index(tmp_path / "thesis.txt", index)


def test_the_lock_keeps_other_writers_out(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from agentmatch.store import lock\n" + (
        textwrap.dedent("""
        with lock(Path(sys.argv[1])):
            print("locked", flush=True)
            sys.stdin.read()
        """)
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    from filelock import FileLock, Timeout

    with pytest.raises(Timeout):
        FileLock(tmp_path / ".lock").acquire(timeout=0)
    # The lock of a process that is killed is free at once.
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with lock(tmp_path):
        pass
