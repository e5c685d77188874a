"""Run a BERT encoder in NumPy, on weights mapped from their file.

One request needs no more than this, and NumPy starts many times faster than torch or
onnxruntime. Model: Devlin et al., "BERT" (2019); post-layer-norm transformer, exact GELU.

The texts of a batch lie one after the other, without padding: all but attention works
on single tokens, and attention is computed text by text. A text's vector is therefore
the same, up to rounding, whatever else is in the batch.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmatch.encoders.base import Vectors
from agentmatch.encoders.bert_model import BertModel

WORDS = "embeddings.word_embeddings.weight"
"""Half of the model, of which a text needs a few rows."""

GELU_BLOCK = 1 << 14
"""Numbers whose GELU is computed at a time: so few stay in the processor's cache."""

TOKENS_PER_BATCH = 2048
"""Tokens run at a time, which bounds the memory they take. More bring no more speed."""

# Abramowitz and Stegun (1964), formula 7.1.26: erf with an error below 1.5e-7.
_ERF_SCALE = np.float32(0.3275911)
_ERF_TERMS = tuple(
    np.float32(term) for term in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
)
_HALF, _ONE, _ROOT_HALF = np.float32(0.5), np.float32(1), np.float32(0.5**0.5)
_LIMIT = threading.Lock()


class NumpyBert:
    """Compute token vectors in NumPy, with one thread.

    Args:
        model: The model.
    """

    name = "numpy"

    def __init__(self, model: BertModel) -> None:
        self._model = model
        self._tensors = map_tensors(model)

    def token_vectors(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """Run the model.

        Args:
            texts: The token numbers of each text; none is empty.

        Returns:
            float32 array [tokens of all texts, dimension], text after text.
        """
        blocks, start, tokens = [], 0, 0
        with self._one_thread():
            for position, text in enumerate(texts):
                if tokens and tokens + len(text) > TOKENS_PER_BATCH:
                    blocks.append(self._forward(texts[start:position]))
                    start, tokens = position, 0
                tokens += len(text)
            blocks.append(self._forward(texts[start:]))
        return np.concatenate(blocks)

    def _forward(self, texts: Sequence[Sequence[int]]) -> Vectors:
        lengths = [len(text) for text in texts]
        ends = np.cumsum(lengths)
        rows = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
        numbers = np.concatenate([np.asarray(text, dtype=np.int64) for text in texts])
        positions = np.concatenate([np.arange(length) for length in lengths])
        tensor = self._tensors
        vectors: Vectors = tensor[WORDS][numbers].astype(np.float32, copy=False)
        vectors += tensor["embeddings.position_embeddings.weight"][positions]
        vectors += tensor["embeddings.token_type_embeddings.weight"][0]
        vectors = self._normalise(vectors, "embeddings.LayerNorm")
        for layer in range(self._model.layers):
            prefix = f"encoder.layer.{layer}."
            attended = self._attend(vectors, rows, f"{prefix}attention.self.")
            attended = self._linear(attended, f"{prefix}attention.output.dense")
            attended += vectors
            vectors = self._normalise(attended, f"{prefix}attention.output.LayerNorm")
            hidden = gelu(self._linear(vectors, f"{prefix}intermediate.dense"))
            hidden = self._linear(hidden, f"{prefix}output.dense")
            hidden += vectors
            vectors = self._normalise(hidden, f"{prefix}output.LayerNorm")
        return vectors

    def _attend(self, vectors: Vectors, rows: Sequence[slice], prefix: str) -> Vectors:
        heads = self._model.heads
        width = self._model.dimension // heads
        # [tokens, dimension] -> [heads, tokens, width]
        query, key, value = (
            self._linear(vectors, prefix + name).reshape(-1, heads, width).transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        query *= np.float32(width**-0.5)
        attended = np.empty_like(vectors)
        for text in rows:
            weights = query[:, text] @ key[:, text].transpose(0, 2, 1)
            weights -= weights.max(axis=-1, keepdims=True)
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=-1, keepdims=True)
            mixed = weights @ value[:, text]
            attended[text] = mixed.transpose(1, 0, 2).reshape(-1, self._model.dimension)
        return attended

    def _linear(self, vectors: Vectors, name: str) -> Vectors:
        product: Vectors = vectors @ self._tensors[f"{name}.weight"].T
        product += self._tensors[f"{name}.bias"]
        return product

    def _normalise(self, vectors: Vectors, name: str) -> Vectors:
        vectors = vectors - vectors.mean(axis=1, keepdims=True)
        variance = np.einsum("td,td->t", vectors, vectors) / np.float32(vectors.shape[1])
        vectors *= (_ONE / np.sqrt(variance + np.float32(self._model.epsilon)))[:, None]
        vectors *= self._tensors[f"{name}.weight"]
        vectors += self._tensors[f"{name}.bias"]
        return vectors

    @contextlib.contextmanager
    def _one_thread(self) -> Iterator[None]:
        # BLAS threads that spin on a busy machine make small products 2-30 times slower.
        if os.environ.get("OPENBLAS_NUM_THREADS") == "1":
            yield
            return
        # The limit is the process's: two that overlap would leave it behind.
        with _LIMIT, self._thread_pools.limit(limits=1, user_api="blas"):
            yield

    @cached_property
    def _thread_pools(self) -> Any:
        from threadpoolctl import ThreadpoolController

        return ThreadpoolController()


def map_tensors(model: BertModel) -> dict[str, NDArray[Any]]:
    """Map a model's tensors from its file.

    Those of float16 are widened to float32 (and copied), all but the vectors of words:
    rows of these are widened when they are used.
    """
    with model.weights.open("rb") as stream:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    tensors = {}
    for name, tensor in model.tensors.items():
        dtype = np.dtype("<f4" if tensor.dtype == "F32" else "<f2")
        count = tensor.size // dtype.itemsize
        values = np.frombuffer(content, dtype, count, tensor.offset).reshape(tensor.shape)
        tensors[name] = values if name == WORDS else values.astype(np.float32, copy=False)
    return tensors


def gelu(values: Vectors) -> Vectors:
    """Apply x * Phi(x), with Phi the normal distribution, in place.

    Args:
        values: Any array; it is overwritten.

    Returns:
        The same array; the error of each value is below 4e-7.
    """
    flat = values.reshape(-1)
    for start in range(0, flat.size, GELU_BLOCK):
        block = flat[start : start + GELU_BLOCK]
        # For x >= 0, x * Phi(x) = x - x/2 * erfc(x/sqrt(2)); for x < 0 it is the last
        # term alone, at |x|, with its sign.
        size = np.abs(block)
        tail = size * _HALF
        size *= _ROOT_HALF
        step = size * _ERF_SCALE
        step += _ONE
        np.reciprocal(step, out=step)
        series = np.zeros_like(step)
        for term in _ERF_TERMS:
            series += term
            series *= step
        np.multiply(size, size, out=size)
        np.negative(size, out=size)
        np.exp(size, out=size)
        tail *= series
        tail *= size
        np.maximum(block, 0, out=block)
        block -= tail
    return values
