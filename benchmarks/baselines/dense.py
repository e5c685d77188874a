"""Route by vectors alone, in the ways that are tried first."""

from __future__ import annotations

import numpy as np

from benchmarks.task import Scores, Task

INVERSE_REGULARISATION = 30.0
"""C of the logistic regression: unit vectors need a weak penalty."""

ITERATIONS = 200
"""Steps of its optimiser (L-BFGS) at most."""


def whole_text(task: Task) -> Scores:
    """Score by the cosine of request and whole text: sentence-transformers' semantic search."""
    return np.asarray(task.request_vectors @ task.whole_vectors.T)


def best_passage(task: Task) -> Scores:
    """Score by the best of an agent's passages."""
    similarities = task.request_vectors @ task.passage_vectors.T
    starts = np.searchsorted(task.owners, np.arange(len(task.names)))
    return np.asarray(np.maximum.reduceat(similarities, starts, axis=1))


def nearest_centroid(task: Task) -> Scores:
    """Score by the cosine of request and the mean of an agent's passage vectors."""
    sums = np.zeros((len(task.names), task.passage_vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, task.owners, task.passage_vectors)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    centroids = sums / np.maximum(norms, np.finfo(np.float32).tiny)
    return np.asarray(task.request_vectors @ centroids.T)


def logistic_regression(task: Task) -> Scores:
    """Score by a multinomial logistic regression on the vectors of labelled requests.

    Agents without a labelled request come last. Needs requests of two agents at least.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=ITERATIONS)
    model.fit(task.train_vectors, task.train_owners)
    found = np.asarray(model.decision_function(task.request_vectors), dtype=np.float32)
    if found.ndim == 1:
        found = np.stack([-found, found], axis=1)
    scores = np.full((len(task.requests), len(task.names)), found.min() - 1, dtype=np.float32)
    scores[:, model.classes_] = found
    return scores
