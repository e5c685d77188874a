"""Fit one score an agent to labelled requests: kernel ridge regression.

The kernel of two requests adds what the encoder sees to what the words say:

    k(x, y) = exp(sharpness * (cosine(x, y) - 1)) + share * terms(x) . terms(y)

The first part is the Gaussian kernel of unit vectors. An agent's score is 1 on requests
it should take and falls to 0 away from them, so that a request unlike any labelled one
has low scores everywhere, which linear classifiers do not give. All agents share one
matrix, which is inverted once; and with the inverse comes, exactly and for nothing, what
the fit would have said of each request had it not been among its examples
(leave-one-out residuals: Rasmussen and Williams, Gaussian Processes for Machine
Learning, 2006, section 5.4.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentmatch.tuning.terms import BUCKETS, SparseRows

_BLOCK = 1024
"""Rows of a kernel matrix that are computed at a time."""


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """Hold what shapes a fit.

    Attributes:
        sharpness: How fast the kernel falls with the cosine; 0 would be flat.
        term_share: Weight of the terms beside the vectors.
        ridge: What is added to the diagonal; more trusts single labels less.
    """

    sharpness: float
    term_share: float
    ridge: float


@dataclass(frozen=True)
class KernelFit:
    """Hold a fit.

    Attributes:
        coefficients: float32 [examples, agents].
        left_out: float32 [examples, agents]; what a fit without the example says of it.
    """

    coefficients: NDArray[np.float32]
    left_out: NDArray[np.float32]


def fit_kernel_ridge(
    vectors: NDArray[np.float32],
    terms: SparseRows,
    targets: NDArray[np.float32],
    settings: KernelSettings,
) -> KernelFit:
    """Fit scores to examples.

    Takes time as the third power of the examples and memory as their square: about 15 s
    and 1 GB for 10,000 on two cores.

    Args:
        vectors: float32 [examples, dimension], rows of unit length.
        terms: The examples' terms, rows of unit length.
        targets: float32 [examples, agents], 1 for a right agent and 0 elsewhere.
        settings: The kernel.

    Returns:
        The fit and its leave-one-out scores.
    """
    from scipy.linalg.lapack import spotrf, spotri

    matrix = np.empty((len(vectors), len(vectors)), dtype=np.float32, order="F")
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        # Symmetric, so that blocks of columns are as good and lie together in memory.
        matrix[:, rows] = np.exp(settings.sharpness * (vectors @ vectors[rows].T - 1))
    _add_term_products(matrix, terms, settings.term_share)
    diagonal = np.arange(len(vectors))
    matrix[diagonal, diagonal] += settings.ridge
    factor, failed = spotrf(matrix, lower=1, overwrite_a=1)
    inverse, failed_too = spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise FloatingPointError("the kernel matrix is singular; a larger ridge is needed")
    for start in range(0, len(vectors), _BLOCK):
        stop = min(start + _BLOCK, len(vectors))
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
        corner = np.tril(inverse[start:stop, start:stop])
        inverse[start:stop, start:stop] = corner + np.tril(corner, -1).T
    coefficients = np.asarray(inverse @ targets, dtype=np.float32)
    own = inverse[diagonal, diagonal][:, np.newaxis]
    return KernelFit(coefficients, np.asarray(targets - coefficients / own, dtype=np.float32))


def _add_term_products(matrix: NDArray[np.float32], terms: SparseRows, share: float) -> None:
    from scipy.sparse import csr_matrix

    shape = (len(terms), BUCKETS)
    sparse = csr_matrix((terms.values, terms.columns, terms.offsets), shape=shape)
    for start in range(0, len(terms), _BLOCK):
        rows = slice(start, start + _BLOCK)
        # SciPy would otherwise copy the block once a column.
        block = np.ascontiguousarray(sparse[rows].toarray().T)
        matrix[:, rows] += np.float32(share) * (sparse @ block)


def term_coefficients(terms: SparseRows, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum the examples' coefficients by bucket, so that terms need no examples any more.

    Args:
        terms: The examples' terms.
        coefficients: float32 [examples, agents].

    Returns:
        float32 [BUCKETS, agents].
    """
    summed = np.zeros((BUCKETS, coefficients.shape[1]), dtype=np.float32)
    rows = np.repeat(np.arange(len(terms)), np.diff(terms.offsets))
    for start in range(0, len(rows), 1 << 16):
        part = slice(start, start + (1 << 16))
        np.add.at(
            summed,
            terms.columns[part],
            terms.values[part, np.newaxis] * coefficients[rows[part]],
        )
    return summed


def kernel_scores(
    requests: NDArray[np.float32],
    request_terms: SparseRows,
    examples: NDArray[np.float32],
    coefficients: NDArray[np.float32],
    by_term: NDArray[np.float32],
    settings: KernelSettings,
) -> NDArray[np.float32]:
    """Score requests by a fit.

    Args:
        requests: float32 [requests, dimension], rows of unit length.
        request_terms: Their terms.
        examples: float32 [examples, dimension].
        coefficients: float32 [examples, agents].
        by_term: float32 [BUCKETS, agents], of `term_coefficients`.
        settings: The kernel of the fit.

    Returns:
        float32 [requests, agents]; about 1 for a right agent, 0 for all others.
    """
    scores = np.empty((len(requests), coefficients.shape[1]), dtype=np.float32)
    for start in range(0, len(requests), _BLOCK):
        rows = slice(start, start + _BLOCK)
        near = np.exp(settings.sharpness * (requests[rows] @ examples.T - 1))
        scores[rows] = near @ coefficients
    return scores + np.float32(settings.term_share) * request_terms.dot(by_term)
