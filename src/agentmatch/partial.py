"""Keep the vectors of a build as they are made, so that an interrupted one continues.

One file of records of one size: the sha256 of a text, its vector, and a checksum of both.
Records are only appended. Whoever is killed leaves at most one incomplete record, which
the next reader cuts off.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CHECKED_AT_ONCE = 1 << 12


class PartialVectors:
    """Keep vectors of texts in a file.

    Where the file cannot be written, nothing is kept and nothing else is lost.

    Args:
        file: The file; made where it does not exist.
        fingerprint: Of the encoder; vectors of another are dropped.
    """

    def __init__(self, file: Path, fingerprint: str) -> None:
        self._file = file
        self._header = f"{fingerprint}\n".encode()

    def read(self, texts: Sequence[str], dimension: int) -> dict[str, NDArray[np.float32]]:
        """Return the vectors that are kept of some texts, and drop what is damaged.

        Args:
            texts: The texts.
            dimension: Components of a vector.

        Returns:
            float32 [dimension] for each text that is kept.
        """
        found: dict[str, NDArray[np.float32]] = {}
        with contextlib.suppress(OSError), self._file.open("r+b") as stream:
            if stream.read(len(self._header)) != self._header:
                stream.truncate(0)
                return {}
            wanted = {_digest(text): text for text in texts}
            layout = _layout(dimension)
            size = layout.itemsize
            sound = stream.tell()
            while block := stream.read(size * _CHECKED_AT_ONCE):
                for record in np.frombuffer(block[: len(block) // size * size], layout):
                    if _checksum(record) != record["checksum"]:
                        break
                    sound += size
                    text = wanted.get(record["text"].tobytes())
                    if text is not None:
                        found[text] = record["vector"]
                else:
                    continue
                break
            stream.truncate(sound)
        return found

    def append(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add the vectors of texts, float32 [texts, dimension]."""
        records = np.zeros(len(texts), _layout(vectors.shape[1]))
        records["text"] = np.frombuffer(b"".join(map(_digest, texts)), np.uint8).reshape(-1, 32)
        records["vector"] = vectors
        for record in records:
            record["checksum"] = _checksum(record)
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab") as stream:
                if not stream.tell():
                    stream.write(self._header)
                stream.write(records.tobytes())

    def clear(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._file.unlink()


def _layout(dimension: int) -> np.dtype[np.void]:
    return np.dtype([("text", "u1", 32), ("vector", "<f4", dimension), ("checksum", "<u4")])


def _checksum(record: np.void) -> int:
    return zlib.crc32(record["vector"].tobytes(), zlib.crc32(record["text"].tobytes()))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
