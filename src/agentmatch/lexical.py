"""Score texts by the words they share with a request (BM25).

bm25s (Lù, 2024, "BM25S: Orders of magnitude faster lexical search via eager sparse
scoring") computes every term's score in every document when the index is built. What
is left at query time is to add up a few rows of a sparse matrix, which needs NumPy
alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agentmatch.mapped import LineTable, map_array
from agentmatch.tokens import tokenize

LEXICAL_FORMAT = 3
"""Changes whenever this file or `tokens.py` gives the same texts other scores."""

_ARRAYS = ("scores", "documents", "offsets")
_TERMS = "terms.txt"


class LexicalIndex:
    """Hold the BM25 score of every term in every document, by term.

    Args:
        terms: The terms in UTF-8, sorted.
        scores: float32 [entries], the scores of all terms, term after term.
        documents: int32 [entries], the document of each score.
        offsets: int64 [terms + 1]; term t owns entries offsets[t] to offsets[t + 1] - 1.
        size: The number of documents.
    """

    def __init__(
        self,
        terms: Sequence[bytes],
        scores: NDArray[np.float32],
        documents: NDArray[np.int32],
        offsets: NDArray[np.int64],
        size: int,
    ) -> None:
        self._terms = terms
        self._scores = scores
        self._documents = documents
        self._offsets = offsets
        self._size = size

    @classmethod
    def build(cls, texts: Sequence[str]) -> LexicalIndex:
        """Index texts.

        Args:
            texts: One text a document; empty ones never score.

        Returns:
            The index, scored by BM25 (Lucene's variant, k1 = 1.5, b = 0.75).
        """
        terms = [tokenize(text) for text in texts]
        if not any(terms):
            empty = np.empty(0, dtype=np.float32)
            return cls((), empty, empty.astype(np.int32), np.zeros(1, np.int64), len(texts))
        import bm25s

        model = bm25s.BM25(method="lucene")
        model.index(terms, show_progress=False)
        found = sorted((_encode(term), place) for term, place in model.vocab_dict.items() if term)
        # bm25s numbers terms as they come; here they stand in their own order.
        places = np.array([place for _, place in found], dtype=np.int64)
        starts = np.asarray(model.scores["indptr"], dtype=np.int64)
        lengths = np.diff(starts)[places]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        entries = np.repeat(starts[places] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return cls(
            [term for term, _ in found],
            np.asarray(model.scores["data"], dtype=np.float32)[entries],
            np.asarray(model.scores["indices"], dtype=np.int32)[entries],
            offsets,
            len(texts),
        )

    def scores(self, requests: Sequence[str]) -> NDArray[np.float32]:
        """Score every document for each request.

        Args:
            requests: Free texts.

        Returns:
            float32 [requests, documents], 0 where no term is shared.
        """
        result = np.zeros((len(requests), self._size), dtype=np.float32)
        for row, request in zip(result, requests, strict=True):
            for term in tokenize(request):
                key = _encode(term)
                position = bisect_left(self._terms, key)
                if position < len(self._terms) and self._terms[position] == key:
                    entries = slice(self._offsets[position], self._offsets[position + 1])
                    # A document stands at most once in a term's entries.
                    row[self._documents[entries]] += self._scores[entries]
        return result

    def save(self, folder: Path) -> None:
        """Write the index into a new folder."""
        folder.mkdir(parents=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, f"_{name}"))
        LineTable.write(folder, _TERMS, self._terms)

    @classmethod
    def load(cls, folder: Path, size: int) -> LexicalIndex:
        """Map an index that `save` wrote.

        Args:
            folder: The index's folder.
            size: The number of documents.
        """
        arrays = {name: map_array(folder / f"{name}.npy") for name in _ARRAYS}
        return cls(LineTable.map(folder, _TERMS), **arrays, size=size)


def _encode(term: str) -> bytes:
    return term.encode("utf-8", "surrogatepass")
