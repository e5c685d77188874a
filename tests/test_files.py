"""Files that are replaced in one step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentmatch.files import cache_root, write_atomically


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "run.json"
    write_atomically(file, b"one")
    write_atomically(file, b"two")
    assert file.read_bytes() == b"two"
    assert [entry.name for entry in file.parent.iterdir()] == ["run.json"]


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "run.json", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o640


def test_a_failure_keeps_the_former_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.json"
    write_atomically(file, b"one")

    def full(_descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(file, b"two")
    assert file.read_bytes() == b"one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_the_cache_folder_can_be_chosen(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_root() == cache_folder
    monkeypatch.delenv("AGENTMATCH_CACHE_DIR")
    assert "agentmatch" in cache_root().parts
