"""Score documents by BM25 as if one of them had other words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agentmatch.tokens import tokenize

K1 = 1.5
"""How soon further repeats of a term stop counting, as in `agentmatch.lexical`."""

B = 0.75
"""How much a document's length counts, as in `agentmatch.lexical`."""


class WordCounts:
    """Keep what BM25 is computed from, so that one document can be exchanged.

    `LexicalIndex` holds finished scores. With another text for one document its length,
    the mean length and the document frequencies change, and with them every score; but
    a request needs only those of its own few terms, which are quick to compute afresh.
    The result is exact (up to rounding), not an approximation.

    Args:
        texts: One text a document.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        terms = [tokenize(text) for text in texts]
        self._lengths = np.array([len(document) for document in terms], dtype=np.float64)
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for document, words in enumerate(terms):
            for term, count in Counter(words).items():
                found[term].append((document, count))
        self._postings = {term: np.array(entries).T for term, entries in found.items()}

    def scores(self, request: str, document: int, text: str) -> NDArray[np.float32]:
        """Score every document for a request, one document with another text.

        Args:
            request: Free text.
            document: The position of the document to exchange.
            text: What it says instead.

        Returns:
            float32 [documents], as `LexicalIndex.build` with that text would score them.
        """
        words = Counter(tokenize(text))
        lengths = self._lengths.copy()
        lengths[document] = words.total()
        scores = np.zeros(len(lengths))
        if not lengths.any():
            return scores.astype(np.float32)
        saturation = K1 * (1 - B + B * lengths / lengths.mean())
        for term, repeats in Counter(tokenize(request)).items():
            documents, counts = self._postings.get(term, np.empty((2, 0), dtype=np.int64))
            kept = documents != document
            documents, counts = documents[kept], counts[kept]
            if words[term]:
                documents = np.append(documents, document)
                counts = np.append(counts, words[term])
            frequency = len(documents)
            rarity = np.log(1 + (len(lengths) - frequency + 0.5) / (frequency + 0.5))
            scores[documents] += repeats * rarity * counts / (counts + saturation[documents])
        return scores.astype(np.float32)
