"""Encode with a BERT-family model, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from agentmatch.encoders.base import Vectors
from agentmatch.encoders.bert import NumpyBert
from agentmatch.encoders.bert_model import BertModel, read_bert_model
from agentmatch.encoders.models import DEFAULT_MODEL, find_model, fingerprint_model

if TYPE_CHECKING:
    from agentmatch.encoders.onnx_runtime import OnnxBert

BULK = 64
"""Texts from which starting onnxruntime pays. It takes as long as encoding about 20
requests in NumPy; after that a lone request takes it half the time, and a batch is spread
over all processors."""

RUNTIMES = ("numpy", "onnxruntime")

_LEAST_NORM = np.float32(1e-12)


class BertRuntime(Protocol):
    """Compute token vectors."""

    @property
    def name(self) -> str:
        """Name the library that computes."""
        ...

    def token_vectors(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """Return float32 [tokens of all texts, dimension], text after text."""
        ...


class BertEncoder:
    """Encode requests and passages with a BERT encoder such as all-MiniLM-L6-v2.

    Gives the vectors that sentence-transformers gives (cosine 0.99999 or more). The
    first few texts are encoded in NumPy, which starts at once; for more, onnxruntime
    is started.

    Args:
        model: As `agentmatch.encoders.models.find_model` takes it.
        runtime: "numpy" or "onnxruntime" to use only that.

    Raises:
        UnsupportedModelError: It is not a plain BERT encoder.
        ModelNotFoundError: The model is not on this machine.
        ModelChecksumError: The default model's weights are not the published ones.
        ValueError: There is no such runtime.
    """

    def __init__(self, model: str = DEFAULT_MODEL, *, runtime: str | None = None) -> None:
        if runtime is not None and runtime not in RUNTIMES:
            raise ValueError(f"runtime must be one of {', '.join(RUNTIMES)}, not {runtime!r}")
        self._name = model
        self._folder = find_model(model)
        self._model = read_bert_model(self._folder)
        self._only = runtime
        self._encoded = 0

    @property
    def name(self) -> str:
        """Return the model's name or path as it was asked for."""
        return self._name

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return self._model.dimension

    @cached_property
    def fingerprint(self) -> str:
        """Hash the model's files."""
        return fingerprint_model(self._folder)

    @property
    def runtime(self) -> str:
        """Name what runs the model."""
        return self._only or f"numpy, from {BULK} texts onnxruntime"

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode requests; float32 [n, dimension], rows of unit length."""
        return self._encode(texts, self._model.query_prompt)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode passages; float32 [n, dimension], rows of unit length."""
        return self._encode(texts, self._model.document_prompt)

    def _encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        tokens = self._model.tokenizer.encode([prompt + text for text in texts])
        vectors = pool(self._choose(len(texts)).token_vectors(tokens), tokens, self._model)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST_NORM)
        return vectors

    def _choose(self, texts: int) -> BertRuntime:
        self._encoded += texts
        if self._only == "onnxruntime" or (self._only is None and self._encoded >= BULK):
            return self._onnx
        return self._numpy

    @cached_property
    def _numpy(self) -> NumpyBert:
        return NumpyBert(self._model)

    @cached_property
    def _onnx(self) -> OnnxBert:
        from agentmatch.encoders.onnx_runtime import OnnxBert

        return OnnxBert(self._model, self.fingerprint)


def pool(vectors: Vectors, texts: Sequence[Sequence[int]], model: BertModel) -> Vectors:
    """Make one vector of each text's token vectors.

    Args:
        vectors: float32 [tokens of all texts, dimension], text after text.
        texts: The tokens of each text; none is empty.
        model: The model; its `pooling` says how.

    Returns:
        float32 [texts, dimension], not normalised.
    """
    lengths = np.array([len(text) for text in texts])
    starts = np.cumsum(lengths) - lengths
    pooled: Vectors
    if model.pooling == "cls":
        pooled = vectors[starts]
    elif model.pooling == "max":
        pooled = np.maximum.reduceat(vectors, starts, axis=0)
    else:
        pooled = np.add.reduceat(vectors, starts, axis=0)
        pooled /= lengths[:, None].astype(np.float32)
    return pooled
