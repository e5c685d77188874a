"""Whether a catalogue's files are those of an earlier moment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from agentmatch.snapshot import SETTLING_TIME, is_unchanged, take_snapshot
from conftest import write_trades


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a catalogue whose files were written a minute ago."""
    folder = write_trades(tmp_path / "agents")
    for file in folder.iterdir():
        age(file, 60)
    return folder


def age(file: Path, seconds: float) -> None:
    moment = file.stat().st_mtime_ns - int(seconds * 1e9)
    os.utime(file, ns=(moment, moment))


def test_untouched_files_are_unchanged(folder: Path) -> None:
    assert is_unchanged(take_snapshot(folder))


def test_added_removed_and_edited_files_are_seen(folder: Path) -> None:
    before = take_snapshot(folder)
    (folder / "new.md").write_text("# new: New\n")
    assert not is_unchanged(before)
    (folder / "new.md").unlink()
    assert is_unchanged(before)
    roofer = folder / "roofer.md"
    roofer.write_text(roofer.read_text() + "\nMore.")
    age(roofer, 30)
    assert not is_unchanged(before)
    roofer.unlink()
    assert not is_unchanged(before)


def test_a_file_written_at_the_time_of_the_snapshot_is_not_trusted(folder: Path) -> None:
    roofer = folder / "roofer.md"
    roofer.write_text(roofer.read_text())
    state = take_snapshot(folder)
    assert not is_unchanged(state)
    later = replace(state, taken=roofer.stat().st_mtime_ns + SETTLING_TIME)
    assert is_unchanged(later)


def test_other_files_do_not_count(folder: Path) -> None:
    before = take_snapshot(folder)
    (folder / "notes.txt").write_text("no agent")
    assert is_unchanged(before)


def test_a_single_file_is_a_catalogue_too(folder: Path) -> None:
    state = take_snapshot(folder / "roofer.md")
    assert [file.path for file in state.files] == ["roofer.md"]
    assert is_unchanged(state)
