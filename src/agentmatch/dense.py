"""Hold passage vectors and compare requests with them: exactly, or fast (FAISS).

The only file that imports faiss. Exact comparison is one matrix product and needs NumPy
alone, so that a program that asks once does not wait for FAISS to be loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmatch.mapped import map_array

LISTS_PER_ROOT = 4
"""Inverted lists, as a multiple of the square root of the number of vectors (the usual
choice: looking through the lists' centres then costs about as much as through some lists)."""

TRAINING_VECTORS_PER_LIST = 64
"""Vectors that k-means places a list's centre by."""

SEARCH_EFFORTS = (8, 16, 32, 64, 128, 256, 512)
"""Lists looked through in a search, tried in turn until the recall is met."""

LEAST_RECALL = 0.98
"""Share of the 10 nearest vectors that an approximate search must find."""

RECALL_DEPTH = 10
RECALL_SAMPLE = 500
"""Vectors of the index itself that are searched to measure its recall."""

_ADDED_AT_ONCE = 1 << 16


class DenseIndex:
    """Compare requests with unit vectors by inner product, that is, cosine similarity.

    Args:
        vectors: float32 [n, dimension], rows of unit length; they may be mapped.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._vectors)

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return int(self._vectors.shape[1])

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Return all vectors, float32 [n, dimension]."""
        return self._vectors

    def similarities(
        self, queries: NDArray[np.float32], rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Compare each query with every vector, or with some.

        An agent's score needs all of its passages, not only those among the nearest,
        so the matrix product does in one step what a search for all n neighbours would
        do with a sort on top.

        Args:
            queries: float32 [queries, dimension], rows of unit length.
            rows: The vectors to compare with; all where none are given.

        Returns:
            float32 [queries, n or rows], cosine similarities, -1 to 1.
        """
        vectors = self._vectors if rows is None else self._vectors[rows]
        product = queries.astype(np.float32, copy=False) @ vectors.T
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
        import faiss

        similarities, rows = faiss.knn(
            np.ascontiguousarray(queries, dtype=np.float32),
            np.ascontiguousarray(self._vectors),
            min(top_k, len(self)),
            metric=faiss.METRIC_INNER_PRODUCT,
        )
        return similarities, rows

    def save(self, file: Path) -> None:
        """Write the vectors as a NumPy file."""
        np.save(file, self._vectors)

    @classmethod
    def load(cls, file: Path) -> DenseIndex:
        """Map vectors that `save` wrote."""
        return cls(map_array(file))


class ApproximateIndex:
    """Find most of the nearest vectors without looking at all of them.

    FAISS's inverted lists (IVF; Sivic and Zisserman, 2003, "Video Google") over vectors
    rounded to 16 bits. At a million vectors it reaches a recall of 0.98 in less time than
    an HNSW graph, is built in half the time, can be mapped, and can be made exact enough
    by looking through more lists (`python -m benchmarks speed`).

    Args:
        index: The FAISS index.
        effort: Lists looked through in a search.
        recall: Share of the 10 nearest vectors that it finds, measured on a sample.
    """

    def __init__(self, index: Any, effort: int, recall: float) -> None:
        self._index = index
        self.effort = effort
        self.recall = recall

    @classmethod
    def build(
        cls, dense: DenseIndex, previous: ApproximateIndex | None = None
    ) -> ApproximateIndex | None:
        """Sort vectors into lists and raise the effort until the recall is met.

        Args:
            dense: The vectors.
            previous: The index of an earlier state of the catalogue, whose lists' centres
                are kept where the number of vectors is about the same.

        Returns:
            The index; None where `LEAST_RECALL` is not reached with any effort.
        """
        import faiss

        lists = max(1, int(LISTS_PER_ROOT * len(dense) ** 0.5))
        before = None if previous is None else previous._index
        if before is not None and before.d == dense.dimension and _is_near(before.nlist, lists):
            centres = faiss.downcast_index(before.quantizer).reconstruct_n(0, before.nlist)
        else:
            count = lists * TRAINING_VECTORS_PER_LIST
            chosen = np.linspace(0, len(dense) - 1, min(count, len(dense))).astype(np.int64)
            kmeans = faiss.Kmeans(dense.dimension, lists, spherical=True, niter=10, seed=0)
            kmeans.train(np.ascontiguousarray(dense.vectors[chosen]))
            centres = kmeans.centroids
        quantizer = faiss.IndexFlatIP(dense.dimension)
        quantizer.add(centres)
        ivf: Any = faiss.IndexIVFScalarQuantizer  # its type hints are those of another version
        index = ivf(
            quantizer,
            dense.dimension,
            len(centres),
            faiss.ScalarQuantizer.QT_fp16,
            faiss.METRIC_INNER_PRODUCT,
            False,
        )
        index.train(np.ascontiguousarray(dense.vectors[:1]))
        for start in range(0, len(dense), _ADDED_AT_ONCE):
            index.add(np.ascontiguousarray(dense.vectors[start : start + _ADDED_AT_ONCE]))
        step = max(1, len(dense) // RECALL_SAMPLE)
        sample = np.ascontiguousarray(dense.vectors[::step][:RECALL_SAMPLE])
        exact, _ = dense.search(sample, RECALL_DEPTH)
        for effort in SEARCH_EFFORTS:
            found = cls(index, effort, 0.0)
            found.recall = _recall(found, dense, sample, exact)
            if found.recall >= LEAST_RECALL:
                return found
        return None

    def search(self, query: NDArray[np.float32], top_k: int) -> NDArray[np.int64]:
        """Find vectors near a query.

        Args:
            query: float32 [dimension], of unit length.
            top_k: How many at most.

        Returns:
            int64 row numbers, nearest first.
        """
        import faiss

        parameters: Any = faiss.SearchParametersIVF
        settings = parameters(nprobe=self.effort)
        _, rows = self._index.search(query[np.newaxis], top_k, params=settings)
        found: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return found

    def save(self, file: Path) -> None:
        """Write the index as a FAISS file."""
        import faiss

        faiss.write_index(self._index, str(file))

    @classmethod
    def load(cls, file: Path, effort: int, recall: float) -> ApproximateIndex:
        """Map an index that `save` wrote."""
        import faiss

        return cls(faiss.read_index(str(file), faiss.IO_FLAG_MMAP), effort, recall)


def _is_near(lists: int, wanted: int) -> bool:
    return wanted / 2 <= lists <= wanted * 2


def _recall(
    approximate: ApproximateIndex,
    dense: DenseIndex,
    queries: NDArray[np.float32],
    exact: NDArray[np.float32],
) -> float:
    """Return the share of results that are no farther than the exact ones.

    Compared by similarity, not by row: of passages with equal texts any is as good.
    """
    depth = exact.shape[1]
    hits = 0
    for query, nearest in zip(queries, exact, strict=True):
        rows = approximate.search(query, depth)
        # Rounding to 16 bits moves a similarity by less than this.
        hits += int((dense.similarities(query[np.newaxis], rows)[0] >= nearest[-1] - 1e-4).sum())
    return hits / exact.size
