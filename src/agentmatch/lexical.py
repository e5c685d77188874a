"""Score texts by the words they share with a request (BM25).

bm25s (Lù, 2024, "BM25S: Orders of magnitude faster lexical search via eager sparse
scoring") computes every term's score in every document when the index is built. What
is left at query time is to add up a few rows of a sparse matrix, which needs NumPy
alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agentmatch.tokens import tokenize

LEXICAL_FORMAT = 2
"""Changes whenever this file or `tokens.py` gives the same texts other scores."""

_ARRAYS = ("scores", "documents", "offsets")


class LexicalIndex:
    """Hold the BM25 score of every term in every document, by term.

    Args:
        vocabulary: The position of each term.
        scores: float32 [entries], the scores of all terms, term after term.
        documents: int32 [entries], the document of each score.
        offsets: int64 [terms + 1]; term t owns entries offsets[t] to offsets[t + 1] - 1.
        size: The number of documents.
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        scores: NDArray[np.float32],
        documents: NDArray[np.int32],
        offsets: NDArray[np.int64],
        size: int,
    ) -> None:
        self._vocabulary = vocabulary
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
            return cls({}, empty, empty.astype(np.int32), np.zeros(1, np.int64), len(texts))
        import bm25s

        model = bm25s.BM25(method="lucene")
        model.index(terms, show_progress=False)
        return cls(
            {term: int(position) for term, position in model.vocab_dict.items() if term},
            np.asarray(model.scores["data"], dtype=np.float32),
            np.asarray(model.scores["indices"], dtype=np.int32),
            np.asarray(model.scores["indptr"], dtype=np.int64),
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
                position = self._vocabulary.get(term)
                if position is not None:
                    entries = slice(self._offsets[position], self._offsets[position + 1])
                    # A document stands at most once in a term's entries.
                    row[self._documents[entries]] += self._scores[entries]
        return result

    def coverage(self, requests: Sequence[str]) -> NDArray[np.float32]:
        """Measure how much of each request every document holds.

        Unlike a BM25 score the share can be compared between requests. A term weighs
        its inverse document frequency (Spärck Jones, 1972, as in BM25); a term that no
        document holds weighs most, and counts as missing everywhere.

        Args:
            requests: Free texts.

        Returns:
            float32 [requests, documents], 0 to 1; 0 for a request without a term.
        """
        result = np.zeros((len(requests), self._size), dtype=np.float32)
        for row, request in zip(result, requests, strict=True):
            total = 0.0
            for term in dict.fromkeys(tokenize(request)):
                position = self._vocabulary.get(term)
                start, stop = 0, 0
                if position is not None:
                    start, stop = self._offsets[position], self._offsets[position + 1]
                held = stop - start
                weight = math.log1p((self._size - held + 0.5) / (held + 0.5))
                row[self._documents[start:stop]] += np.float32(weight)
                total += weight
            if total:
                row /= np.float32(total)
        return result

    def save(self, folder: Path) -> None:
        """Write the index into a new folder."""
        folder.mkdir(parents=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, f"_{name}"))
        document = {"size": self._size, "vocabulary": dict(self._vocabulary)}
        (folder / "vocabulary.json").write_text(json.dumps(document), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Read an index that `save` wrote, its arrays mapped rather than read."""
        document = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
        return cls(document["vocabulary"], **arrays, size=document["size"])
