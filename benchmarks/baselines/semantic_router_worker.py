"""Route with semantic-router, in an environment of its own; talks over files.

    python semantic_router_worker.py JOB

JOB is a folder. It holds `job.json`: {"routes": [[name, [texts]]], "queries": [texts],
"settings": [{"label": ..., "aggregation": ..., "top_k": ..., "sparse": bool}]}, and
`vectors.npz`: "documents" and "queries", float32, one row a text in the order of first
occurrence. It receives one `<label>.npz` a setting: "scores", float32 [queries,
routes], and "seconds". A job with "fit_queries" is fitted first; see `fit_and_route`.
Imports nothing of agentmatch: this environment lacks it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from semantic_router import IndexedRouter, Route
from semantic_router.encoders import DenseEncoder, TfidfEncoder
from semantic_router.encoders.base import AsymmetricDenseMixin


class LookupEncoder(DenseEncoder, AsymmetricDenseMixin):  # type: ignore[misc]
    """Look vectors up that another process computed."""

    queries: dict[str, Any]
    documents: dict[str, Any]

    def encode_queries(self, docs: list[str]) -> list[list[float]]:
        """Return the vectors of requests."""
        return [self.queries[text] for text in docs]

    def encode_documents(self, docs: list[str]) -> list[list[float]]:
        """Return the vectors of utterances."""
        return [self.documents[text] for text in docs]


def main(folder: Path) -> None:
    """Answer the job in a folder."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    if "fit_queries" in job:
        fit_and_route(folder, job)
        return
    texts = dict.fromkeys(text for _, utterances in job["routes"] for text in utterances)
    with np.load(folder / "vectors.npz") as stored:
        encoder = LookupEncoder(
            name="lookup",
            queries=dict(zip(dict.fromkeys(job["queries"]), stored["queries"], strict=True)),
            documents=dict(zip(texts, stored["documents"], strict=True)),
        )
    routes = [Route(name=name, utterances=utterances) for name, utterances in job["routes"]]
    positions = {route.name: position for position, route in enumerate(routes)}
    for setting in job["settings"]:
        start = time.perf_counter()
        router = IndexedRouter(
            encoder=encoder,
            routes=routes,
            sparse_encoder=TfidfEncoder() if setting["sparse"] else None,
            aggregation=setting["aggregation"],
            top_k=setting["top_k"],
        )
        scores = np.zeros((len(job["queries"]), len(routes)), dtype=np.float32)
        for row, query in enumerate(job["queries"]):
            for choice in router(query, limit=None):
                scores[row, positions[choice.name]] = choice.confidence
        seconds = time.perf_counter() - start
        np.savez(folder / f"{setting['label']}.npz", scores=scores, seconds=seconds)


def fit_and_route(folder: Path, job: dict[str, Any]) -> None:
    """Fit the calibration on labelled queries, give it to the full router, and route.

    Writes `<label>.npz` a setting: "first" and "confidences" of the queries,
    "fit_confidences" and "fit_correct" of the labelled ones.
    """
    with np.load(folder / "vectors.npz") as stored:
        encoder = LookupEncoder(
            name="lookup",
            queries=dict(zip(job["all_queries"], stored["queries"], strict=True)),
            documents=dict(zip(job["all_documents"], stored["documents"], strict=True)),
        )
    positions = {name: position for position, name in enumerate(job["names"])}

    def router(routes: list[Any], setting: dict[str, Any], calibrator: Any = None) -> Any:
        return IndexedRouter(
            encoder=encoder,
            routes=[Route(name=name, utterances=texts) for name, texts in routes],
            aggregation=setting["aggregation"],
            top_k=setting["top_k"],
            calibrator=calibrator,
        )

    def first_choices(chosen: Any, queries: list[str]) -> list[tuple[str, float]]:
        found = [chosen(query, limit=None)[0] for query in queries]
        return [(choice.name, choice.confidence) for choice in found]

    for setting in job["settings"]:
        fitted = router(job["fit_routes"], setting)
        fitted.fit(job["fit_queries"], job["fit_labels"])
        held_out = first_choices(fitted, job["fit_queries"])
        answers = first_choices(router(job["routes"], setting, fitted.calibrator), job["queries"])
        np.savez(
            folder / f"{setting['label']}.npz",
            first=np.array([positions[name] for name, _ in answers]),
            confidences=np.array([confidence for _, confidence in answers]),
            fit_confidences=np.array([confidence for _, confidence in held_out]),
            fit_correct=np.array(
                [
                    name == label
                    for (name, _), label in zip(held_out, job["fit_labels"], strict=True)
                ]
            ),
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
