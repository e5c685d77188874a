"""Encode with any sentence-transformers model that is on this machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agentmatch.encoders.base import Vectors
from agentmatch.encoders.models import DEFAULT_MODEL, find_model, fingerprint_model
from agentmatch.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class SentenceTransformerEncoder:
    """Encode requests and passages with a sentence-transformers model.

    The model's files are located and hashed at construction; the model itself (and
    torch) is loaded at the first text. Models that treat requests and passages
    differently (prompts, routers) are used as their authors configured them.

    Args:
        model: A model folder, the name of a hub model in the local cache, or the
            default one, which comes with this package.
        device: A torch device such as "cpu" or "cuda"; None lets the library choose.
        batch_size: How many texts are encoded at a time.

    Raises:
        ModelNotFoundError: The model is not on this machine.
        ModelChecksumError: The default model's weights are not the published ones.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, device: str | None = None, batch_size: int = 32
    ) -> None:
        self._name = model
        self._folder = find_model(model)
        self._device = device
        self._batch_size = batch_size

    @property
    def name(self) -> str:
        """Return the model's name or path as it was asked for."""
        return self._name

    @cached_property
    def fingerprint(self) -> str:
        """Hash the model's files."""
        return fingerprint_model(self._folder)

    @property
    def runtime(self) -> str:
        """Name what runs the model."""
        return "sentence-transformers"

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        dimension = self._model.get_embedding_dimension()
        if dimension is None:
            dimension = self.encode_documents(["dimension"]).shape[1]
        return int(dimension)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode requests.

        Args:
            texts: n requests.

        Returns:
            float32 [n, dimension], rows of unit length.
        """
        return self._encode(self._model.encode_query, texts)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode passages.

        Args:
            texts: n passages.

        Returns:
            float32 [n, dimension], rows of unit length.
        """
        return self._encode(self._model.encode_document, texts)

    def _encode(self, encode: Any, texts: Sequence[str]) -> Vectors:
        import numpy as np

        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        vectors = encode(
            list(texts),
            batch_size=self._batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    @cached_property
    def _model(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        # Loading 90 MB takes no bar of its own, and warnings about unused weights are
        # about the model's author, not about the user's request.
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
        try:
            model = SentenceTransformer(
                str(self._folder), device=self._device, local_files_only=True
            )
        # The readers below raise errors of their own, some of them bare Exceptions.
        except Exception as error:
            raise ModelError(
                self._name, f"sentence-transformers cannot load {self._folder}: {error}"
            ) from error
        # Weights may be stored in half precision; vectors are always computed in full.
        return model.float()
