"""The interface that every encoder offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vectors: TypeAlias = "NDArray[np.float32]"
"""float32 array of shape [texts, dimension]."""


@runtime_checkable
class Encoder(Protocol):
    """Turn texts into unit vectors whose inner product says how alike they are.

    The same text must always give the same vector, whatever else is in the batch (up
    to rounding). Requests and passages have methods of their own because some models
    treat the two differently (prompts, separate towers).
    """

    @property
    def name(self) -> str:
        """Name the model for people."""
        ...

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identify all that shapes the vectors: weights, pooling, prompts, normalisation.

        Two encoders of one fingerprint give the same vectors; an index built with
        another fingerprint is refused.
        """
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode requests.

        Args:
            texts: n requests.

        Returns:
            float32 array of shape [n, dimension], each row of unit length.
        """
        ...

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode passages.

        Args:
            texts: n passages.

        Returns:
            float32 array of shape [n, dimension], each row of unit length.
        """
        ...
