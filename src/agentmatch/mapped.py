"""Map files into memory instead of reading them: arrays, and tables of lines.

Loading takes no longer for a million rows than for ten, and processes share the pages.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


def map_array(file: Path) -> NDArray[Any]:
    """Map an array that `np.save` wrote; it cannot be written to.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds no array.
    """
    # The subclass np.memmap costs time at every slice and adds nothing.
    mapped: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    return mapped


class LineTable(Sequence[bytes]):
    """Hold many byte strings without line feeds, each found by its number.

    Args:
        content: The strings, a line feed after each.
        offsets: int64 [lines + 1]; line i starts at offsets[i].
    """

    def __init__(self, content: bytes | mmap.mmap, offsets: NDArray[np.int64]) -> None:
        self._content = content
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, position: int) -> bytes: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[bytes]: ...
    def __getitem__(self, position: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(position, slice):
            return [self[number] for number in range(*position.indices(len(self)))]
        number = range(len(self))[position]
        return self._content[int(self._offsets[number]) : int(self._offsets[number + 1]) - 1]

    def __iter__(self) -> Iterator[bytes]:
        content = self._content[:]
        return iter(content.split(b"\n")[:-1])

    @staticmethod
    def write(folder: Path, name: str, lines: Iterable[bytes]) -> None:
        """Write a table as `name` and the offsets of its lines as `name.npy`."""
        lengths = [0]
        with (folder / name).open("xb") as stream:
            for line in lines:
                lengths.append(stream.write(line + b"\n"))
        np.save(folder / f"{name}.npy", np.cumsum(lengths, dtype=np.int64))

    @classmethod
    def map(cls, folder: Path, name: str) -> LineTable:
        """Map a table that `write` wrote.

        Raises:
            OSError: A file cannot be read.
            ValueError: The offsets are not those of the lines.
        """
        offsets = map_array(folder / f"{name}.npy")
        with (folder / name).open("rb") as stream:
            size = stream.seek(0, 2)
            # An empty file cannot be mapped.
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        if not len(offsets) or offsets[-1] != size:
            raise ValueError(f"{name} and its offsets belong to different indexes")
        return cls(content, offsets)
