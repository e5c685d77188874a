"""Hashes of files: looked up only while a file is certainly the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from agentmatch import digests
from agentmatch.digests import file_digests


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the files that are read, while no file counts as just changed."""
    found: list[str] = []
    read = digests._sha256

    def note(file: Path) -> str:
        found.append(file.name)
        return read(file)

    monkeypatch.setattr(digests, "_sha256", note)
    monkeypatch.setattr(digests, "SETTLING_TIME", 0)
    return found


def expected(file: Path) -> tuple[int, str]:
    content = file.read_bytes()
    return len(content), hashlib.sha256(content).hexdigest()


def test_an_unchanged_file_is_hashed_once(tmp_path: Path, hashed: list[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    first = file_digests(tmp_path, ["a", "b"])
    assert first == {name: expected(tmp_path / name) for name in ("a", "b")}
    assert file_digests(tmp_path, ["a", "b"]) == first
    assert hashed == ["a", "b"]


def test_an_edit_that_hides_itself_is_seen(tmp_path: Path, hashed: list[str]) -> None:
    file = tmp_path / "weights"
    file.write_text("right")
    file_digests(tmp_path, ["weights"])
    before = file.stat()
    file.write_text("wrong")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_digests(tmp_path, ["weights"]) == {"weights": expected(file)}
    other = tmp_path / "other"
    other.write_text("other")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert file_digests(tmp_path, ["weights"]) == {"weights": expected(file)}


def test_a_file_that_changed_just_now_is_hashed_again(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLING_TIME", 3600 * 10**9)
    (tmp_path / "a").write_text("a")
    for _ in range(2):
        file_digests(tmp_path, ["a"])
    assert hashed == ["a", "a"]


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"a": [1, 2]}', '{"a": 1}'])
def test_a_damaged_record_is_not_used(
    tmp_path: Path, cache_folder: Path, hashed: list[str], damage: str
) -> None:
    (tmp_path / "a").write_text("a")
    first = file_digests(tmp_path, ["a"])
    (record,) = (cache_folder / "digests").iterdir()
    record.write_text(damage)
    assert file_digests(tmp_path, ["a"]) == first
    assert hashed == ["a", "a"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        file_digests(tmp_path, ["gone"])
    assert str(caught.value.filename).endswith("gone")
