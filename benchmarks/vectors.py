"""Encode every text once and keep its vector on the disk for all methods."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmatch import Encoder

Vectors = NDArray[np.float32]

BLOCK = 256
"""Texts handed to the encoder at a time."""

SAVE_EVERY = 4096
"""New vectors after which the file is written, so that little is lost to an interruption."""


class CachedEncoder:
    """Answer from a file of vectors; encode what it lacks and add it.

    The file belongs to one encoder (its fingerprint is part of the path) and one set.
    It is replaced in one step, so a reader never sees half of it. Call `save` when all
    texts are encoded.

    Args:
        encoder: The encoder that is asked for new texts.
        folder: The folder of all such files.
        name: The file's name, without a suffix.
    """

    def __init__(self, encoder: Encoder, folder: Path, name: str) -> None:
        self._encoder = encoder
        self._file = folder / encoder.fingerprint[:16] / f"{name}.npz"
        self._known: dict[bytes, NDArray[np.float32]] = {}
        self.encoded = 0
        self._saved = 0
        if self._file.exists():
            with np.load(self._file) as stored:
                keys, vectors = stored["keys"], stored["vectors"]
            self._known = {key.tobytes(): row for key, row in zip(keys, vectors, strict=True)}

    @property
    def name(self) -> str:
        """Return the encoder's name."""
        return self._encoder.name

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return self._encoder.dimension

    @property
    def fingerprint(self) -> str:
        """Return the encoder's fingerprint."""
        return self._encoder.fingerprint

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode requests; float32 [n, dimension], rows of unit length."""
        return self._encode("query", texts, self._encoder.encode_queries)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode passages; float32 [n, dimension], rows of unit length."""
        return self._encode("document", texts, self._encoder.encode_documents)

    def _encode(
        self, kind: str, texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors]
    ) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        keys = [_key(kind, text) for text in texts]
        missing = {
            key: text for key, text in zip(keys, texts, strict=True) if key not in self._known
        }
        # Longest first, so that the texts of one batch have one length.
        ordered = sorted(missing.items(), key=lambda item: (-len(item[1]), item[1]))
        for start in range(0, len(ordered), BLOCK):
            block = ordered[start : start + BLOCK]
            vectors = encode([text for _, text in block])
            self._known.update(zip((key for key, _ in block), vectors, strict=True))
            self.encoded += len(block)
            if self.encoded - self._saved >= SAVE_EVERY:
                self.save()
        return np.stack([self._known[key] for key in keys])

    def save(self) -> None:
        """Write the file if there are new vectors."""
        if self.encoded == self._saved:
            return
        keys = np.frombuffer(b"".join(self._known), dtype=np.uint8).reshape(len(self._known), -1)
        write_npz(self._file, {"keys": keys, "vectors": np.stack(list(self._known.values()))})
        self._saved = self.encoded


def write_npz(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a file in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _key(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind}\0{text}".encode("utf-8", "surrogatepass")).digest()
