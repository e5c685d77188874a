"""Approximate search in a million passages: recall, time of a search, time to load.

The vectors are synthetic but shaped like real ones: each is a real vector moved at random
within the covariance of its nearest neighbours, then brought back to unit length. Vectors
that are drawn from clusters of one width would flatter inverted lists. The queries are
drawn in the same way and are none of the indexed vectors.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmatch.candidates import NEAREST_PASSAGES
from agentmatch.dense import RECALL_DEPTH, ApproximateIndex, DenseIndex
from benchmarks.run import say

Vectors = NDArray[np.float32]

NEIGHBOURS = 16
"""Neighbours whose covariance a vector is moved in."""

QUERIES = 500
RIVAL_LINKS = 16
RIVAL_CONSTRUCTION_EFFORT = 64
RIVAL_EFFORTS = (32, 128, 256, 1000)
"""HNSW's M, efConstruction and efSearch; the last is needed to find 1,000 passages."""

_BLOCK = 4096
_LOAD = """
import sys, time
import numpy, faiss
from pathlib import Path
from agentmatch.dense import ApproximateIndex, DenseIndex
start = time.perf_counter()
dense = DenseIndex.load(Path(sys.argv[1], "vectors.npy"))
found = ApproximateIndex.load(Path(sys.argv[1], "approximate.faiss"), 1, 1.0)
print(time.perf_counter() - start)
found.search(dense.vectors[0], 1000)
print(time.perf_counter() - start)
"""


def perturbed(real: Vectors, count: int, seed: int = 0) -> Vectors:
    """Draw vectors that are shaped like real ones.

    Args:
        real: float32 [n, dimension], unit vectors of real texts, all different.
        count: How many to draw.
        seed: Chooses them.

    Returns:
        float32 [count, dimension], rows of unit length.
    """
    _, rows = DenseIndex(real).search(real, NEIGHBOURS + 1)
    generator = np.random.default_rng(seed)
    drawn = np.empty((count, real.shape[1]), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        chosen = generator.integers(len(real), size=size)
        away = real[rows[chosen, 1:]] - real[chosen][:, np.newaxis]
        share = generator.standard_normal((size, NEIGHBOURS)).astype(np.float32)
        moved = real[chosen] + np.einsum("vn,vnd->vd", share / np.sqrt(NEIGHBOURS), away)
        drawn[start : start + size] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return drawn


def measure(real: Vectors, count: int, *, rival: bool) -> dict[str, Any]:
    """Build and search an index of many vectors.

    Args:
        real: Unit vectors of real texts.
        count: Vectors of the index.
        rival: Measure FAISS's HNSW graph as well.

    Returns:
        JSON values.
    """
    import faiss

    drawn = perturbed(real, count + QUERIES)
    dense, queries = DenseIndex(drawn[:count]), drawn[count:]
    nearest, exact = dense.search(queries, RECALL_DEPTH)
    result: dict[str, Any] = {
        "vectors": count,
        "made_of": f"{len(real)} real vectors, moved within the covariance of {NEIGHBOURS} "
        "neighbours each",
        "mean_similarity_of_nearest": round(float(nearest[:, 0].mean()), 3),
        "mean_similarity_of_tenth": round(float(nearest[:, -1].mean()), 3),
    }
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    start = time.perf_counter()
    dense.search(queries[:20], RECALL_DEPTH)
    result["exact_ms"] = round((time.perf_counter() - start) / 20 * 1000, 2)
    faiss.omp_set_num_threads(threads)
    say("building inverted lists")
    start = time.perf_counter()
    approximate = ApproximateIndex.build(dense)
    if approximate is None:
        raise RuntimeError("the recall is not reached")
    built = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        dense.save(Path(folder) / "vectors.npy")
        approximate.save(Path(folder) / "approximate.faiss")
        loads = [_load(folder) for _ in range(7)]
        mapped = ApproximateIndex.load(
            Path(folder) / "approximate.faiss", approximate.effort, approximate.recall
        )
        searched = [_searched(mapped, queries, exact, top_k) for top_k in (10, NEAREST_PASSAGES)]
    result["inverted_lists"] = {
        "build_s": round(built, 1),
        "lists_searched": approximate.effort,
        "recall_at_build": round(approximate.recall, 4),
        "load_mapped_ms": round(1000 * float(np.median([load for load, _ in loads])), 2),
        "load_and_first_search_ms": round(1000 * float(np.median([both for _, both in loads])), 2),
        "searches": searched,
        "other_efforts": [
            {
                "lists_searched": effort,
                **_searched(ApproximateIndex(approximate._index, effort, 0), queries, exact, 10),
            }
            for effort in (4, 8, 16, 32, 64, 128)
        ],
    }
    faiss.omp_set_num_threads(threads)
    if rival:
        result["hnsw"] = _measure_rival(dense, queries, exact)
    return result


def _load(folder: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, folder], capture_output=True, text=True, check=True
    )
    load, both = map(float, done.stdout.split())
    return load, both


def _searched(index: Any, queries: Vectors, exact: NDArray[np.int64], top_k: int) -> dict[str, Any]:
    import faiss

    faiss.omp_set_num_threads(1)
    times, hits = [], 0
    for query, rows in zip(queries, exact, strict=True):
        start = time.perf_counter()
        found = index.search(query, top_k)
        times.append(time.perf_counter() - start)
        hits += len(set(found[:RECALL_DEPTH].tolist()) & set(rows.tolist()))
    return {
        "top_k": top_k,
        "recall@10": round(hits / exact.size, 4),
        "p50_ms": round(1000 * float(np.percentile(times, 50)), 3),
        "p95_ms": round(1000 * float(np.percentile(times, 95)), 3),
    }


def _measure_rival(dense: DenseIndex, queries: Vectors, exact: NDArray[np.int64]) -> dict[str, Any]:
    import faiss

    say("building an HNSW graph")
    hnsw: Any = faiss.IndexHNSWSQ
    index = hnsw(
        dense.dimension,
        faiss.ScalarQuantizer.QT_fp16,
        RIVAL_LINKS,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.hnsw.efConstruction = RIVAL_CONSTRUCTION_EFFORT
    start = time.perf_counter()
    index.train(dense.vectors[:1])
    index.add(dense.vectors)
    built = time.perf_counter() - start

    class Graph:
        def search(self, query: Vectors, top_k: int) -> NDArray[np.int64]:
            rows: NDArray[np.int64] = index.search(query[np.newaxis], top_k)[1][0]
            return rows

    searches = []
    for effort in RIVAL_EFFORTS:
        index.hnsw.efSearch = effort
        searches.append({"efSearch": effort, **_searched(Graph(), queries, exact, RECALL_DEPTH)})
    return {"build_s": round(built, 1), "links": RIVAL_LINKS, "searches": searches}
