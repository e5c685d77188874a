"""What several tests share: an encoder that needs no model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from agentmatch.tokens import tokenize


class WordEncoder:
    """Encode a text as the sum of fixed random vectors, one for each of its words.

    The same text always gets the same vector, and texts that share words are near each
    other, so rankings are sensible and no model is needed.
    """

    name = "words"
    dimension = 32
    fingerprint = "words-32"

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.array([self._sum(text) for text in texts]).reshape(-1, self.dimension)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-9), dtype=np.float32)

    def _sum(self, text: str) -> NDArray[np.float64]:
        words = tokenize(text) or [text]
        return np.sum([self._word(word) for word in words], axis=0)

    def _word(self, word: str) -> NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(word.encode("utf-8", "replace")).digest()[:8])
        return np.random.default_rng(seed).standard_normal(self.dimension)


@pytest.fixture
def encoder() -> WordEncoder:
    return WordEncoder()
