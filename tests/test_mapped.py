"""Mapped files: read back as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmatch.mapped import LineTable, map_array


def test_a_mapped_array_is_the_saved_one_and_cannot_be_changed(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "a.npy", array)
    mapped = map_array(tmp_path / "a.npy")
    assert type(mapped) is np.ndarray
    np.testing.assert_array_equal(mapped, array)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line)))
def test_a_table_holds_its_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("table")
    LineTable.write(folder, "lines", lines)
    table = LineTable.map(folder, "lines")
    assert len(table) == len(lines)
    assert [table[number] for number in range(len(lines))] == lines
    assert list(table) == lines
    assert table[1:] == lines[1:]
    with pytest.raises(IndexError):
        table[len(lines)]


def test_offsets_of_other_lines_are_refused(tmp_path: Path) -> None:
    LineTable.write(tmp_path, "lines", [b"one", b"two"])
    (tmp_path / "lines").write_bytes(b"one\n")
    with pytest.raises(ValueError, match="different"):
        LineTable.map(tmp_path, "lines")
