"""Count the words and letter groups of requests in hashed, weighted buckets (TF-IDF).

A small encoder blurs exactly what tells two similar agents apart: a product's name, an
error code, "lost" against "stolen". Words, pairs of words and groups of letters keep it.
Hashing needs no vocabulary: a text's terms are spread over a fixed number of buckets
(the hashing trick, Weinberger et al., 2009), and a word never seen has a bucket too.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 14
"""Buckets that terms are spread over. On clinc150's dev requests 4,096 were as good;
longer requests hold more terms."""

WORD_LENGTHS = (1, 2)
"""Words of one term."""

LETTER_LENGTHS = (3, 4, 5)
"""Letters of one term, within a word and its two borders."""

MAX_WORDS = 400
"""Words of a request that are looked at; a pasted log must not drown what is asked."""

MAX_WORD_LETTERS = 40
"""Letters of one word that are looked at, for words that hold no space, such as base64."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class SparseRows:
    """Hold a sparse matrix row by row.

    Attributes:
        offsets: int64 [rows + 1]; row i owns entries offsets[i] to offsets[i + 1] - 1.
        columns: int64 [entries].
        values: float32 [entries].
    """

    offsets: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: NDArray[np.int64]) -> SparseRows:
        """Return some rows, in the order asked for."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        entries = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return SparseRows(offsets, self.columns[entries], self.values[entries])

    def dot(self, dense: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply with a dense matrix [columns, m]; float32 [rows, m]."""
        product = np.zeros((len(self), dense.shape[1]), dtype=np.float32)
        for row in range(len(self)):
            entries = slice(self.offsets[row], self.offsets[row + 1])
            product[row] = self.values[entries] @ dense[self.columns[entries]]
        return product


def count_terms(texts: Sequence[str]) -> SparseRows:
    """Count the terms of texts, by bucket, as 1 + log(count).

    Args:
        texts: Requests.

    Returns:
        One row a text, columns below `BUCKETS`.
    """
    offsets = [0]
    columns: list[int] = []
    counts: list[int] = []
    for text in texts:
        buckets: dict[int, int] = {}
        for term in _terms(text):
            bucket = zlib.crc32(term.encode("utf-8", "surrogatepass")) % BUCKETS
            buckets[bucket] = buckets.get(bucket, 0) + 1
        columns.extend(buckets.keys())
        counts.extend(buckets.values())
        offsets.append(len(columns))
    return SparseRows(
        np.array(offsets, dtype=np.int64),
        np.array(columns, dtype=np.int64),
        1 + np.log(np.array(counts, dtype=np.float32)),
    )


def bucket_weights(counts: SparseRows) -> NDArray[np.float32]:
    """Weigh buckets by how few texts hold them (smoothed inverse document frequency).

    Args:
        counts: The terms of many texts.

    Returns:
        float32 [BUCKETS]; 1 for a bucket that all texts hold, more for rarer ones.
    """
    frequency = np.bincount(counts.columns, minlength=BUCKETS)
    return np.asarray(np.log((1 + len(counts)) / (1 + frequency)) + 1, dtype=np.float32)


def weigh_terms(counts: SparseRows, weights: NDArray[np.float32]) -> SparseRows:
    """Multiply counts with the weights of their buckets; rows of unit length."""
    values = counts.values * weights[counts.columns]
    rows = np.repeat(np.arange(len(counts)), np.diff(counts.offsets))
    squares = np.bincount(rows, weights=values.astype(np.float64) ** 2, minlength=len(counts))
    norms = np.sqrt(np.maximum(squares, np.finfo(np.float32).tiny))
    return SparseRows(
        counts.offsets, counts.columns, np.asarray(values / norms[rows], dtype=np.float32)
    )


def _terms(text: str) -> list[str]:
    words = [word[:MAX_WORD_LETTERS] for word in _WORD.findall(text.lower())[:MAX_WORDS]]
    terms = [
        " ".join(words[start : start + length])
        for length in WORD_LENGTHS
        for start in range(len(words) - length + 1)
    ]
    for word in words:
        bordered = f" {word} "
        # The space in front keeps letters apart from words, which never begin with one.
        terms += [
            f" {length}{bordered[start : start + length]}"
            for length in LETTER_LENGTHS
            for start in range(max(1, len(bordered) - length + 1))
        ]
    return terms
