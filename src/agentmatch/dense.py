"""Hold passage vectors and compare requests with all of them (FAISS).

The only file that imports faiss.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class DenseIndex:
    """Search unit vectors by exact inner product, that is, cosine similarity.

    Args:
        vectors: float32 [n, dimension], rows of unit length.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        import faiss

        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        self._index: Any = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return int(self._index.d)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Return all vectors, float32 [n, dimension], as a view of FAISS's memory."""
        import faiss

        if not len(self):
            return np.empty((0, self.dimension), dtype=np.float32)
        flat = faiss.rev_swig_ptr(self._index.get_xb(), len(self) * self.dimension)
        return np.asarray(flat, dtype=np.float32).reshape(len(self), self.dimension)

    def similarities(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compare each query with every vector.

        An agent's score needs all of its passages, not only those among the nearest,
        so the matrix product over FAISS's storage does in one step what a search for
        all n neighbours would do with a sort on top.

        Args:
            queries: float32 [queries, dimension], rows of unit length.

        Returns:
            float32 [queries, n], cosine similarities, -1 to 1.
        """
        product = queries.astype(np.float32, copy=False) @ self.vectors.T
        return np.clip(product, -1.0, 1.0, out=product)

    def search(
        self, queries: NDArray[np.float32], top_k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest vectors of each query.

        Args:
            queries: float32 [queries, dimension], rows of unit length.
            top_k: How many; clamped to n.

        Returns:
            Similarities, float32 [queries, top_k], best first, and row numbers of the
            same shape.
        """
        similarities, rows = self._index.search(
            np.ascontiguousarray(queries, dtype=np.float32), min(top_k, len(self))
        )
        return similarities, rows

    def save(self, file: Path) -> None:
        """Write the index as a FAISS file."""
        import faiss

        faiss.write_index(self._index, str(file))

    @classmethod
    def load(cls, file: Path) -> DenseIndex:
        """Read an index that `save` wrote."""
        import faiss

        loaded = cls.__new__(cls)
        loaded._index = faiss.read_index(str(file))
        return loaded
