"""Route with the real semantic-router, which runs in a virtual environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agentmatch import Encoder
from benchmarks.task import Scores, Task
from benchmarks.vectors import write_npz

PIN = "1.1.1"
"""The version of semantic-router that is measured, the newest when this was written."""

INSTALL_SECONDS = 900
"""How long the installation may take."""

ROUTE_SECONDS = 3600
"""How long one job may take."""

_WORKER = Path(__file__).with_name("semantic_router_worker.py")


@dataclass(frozen=True)
class Setting:
    """Hold the settings of one `IndexedRouter`.

    Attributes:
        label: A name for the results.
        aggregation: How a route's hits become its score: "mean", "max" or "sum".
        top_k: Nearest utterances that are looked at; all other routes score 0.
        sparse: Add its TF-IDF encoder, mixed at its default (0.7 dense, 0.3 sparse).
    """

    label: str
    aggregation: str
    top_k: int
    sparse: bool = False


DEFAULTS = Setting("semantic_router", "mean", 5)
"""What `IndexedRouter(encoder, routes)` does."""

BEST = Setting("semantic_router_best", "max", 100, sparse=True)
"""The best setting by macro accuracy@1, then MRR@10, on train and dev requests;
of equal ones the deepest (`python -m benchmarks peer`)."""


class PeerUnavailableError(Exception):
    """Report that semantic-router cannot be run here."""


def install(cache: Path) -> Path:
    """Make the virtual environment where it does not exist.

    Args:
        cache: The folder for environments.

    Returns:
        Its Python.

    Raises:
        PeerUnavailableError: The package cannot be installed.
    """
    folder = cache / f"semantic-router-{PIN}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    complete = folder / "complete"
    if complete.exists():
        return python
    try:
        venv.EnvBuilder(with_pip=True, clear=True).create(folder)
        _run(
            [python, "-m", "pip", "install", "--quiet", f"semantic-router=={PIN}"], INSTALL_SECONDS
        )
    except OSError as error:
        raise PeerUnavailableError(f"no virtual environment can be made: {error}") from error
    complete.touch()
    return python


def route(task: Task, settings: Sequence[Setting], python: Path) -> dict[str, tuple[Scores, float]]:
    """Route a task's requests with each setting.

    Args:
        task: The task; an agent's passages become its route's utterances.
        settings: The settings, each with a label of its own.
        python: The Python that has semantic-router.

    Returns:
        For each label the scores, [requests, agents], and the seconds they took.

    Raises:
        PeerUnavailableError: The process failed or took too long.
    """
    utterances: list[list[str]] = [[] for _ in task.names]
    documents: dict[str, int] = {}
    for row, (owner, text) in enumerate(zip(task.owners, task.passages, strict=True)):
        utterances[owner].append(text)
        documents.setdefault(text, row)
    queries: dict[str, int] = {}
    for row, text in enumerate(task.requests):
        queries.setdefault(text, row)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job: Mapping[str, object] = {
            "routes": list(zip(task.names, utterances, strict=True)),
            "queries": task.requests,
            "settings": [asdict(setting) for setting in settings],
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        write_npz(
            folder / "vectors.npz",
            {
                "documents": task.passage_vectors[list(documents.values())],
                "queries": task.request_vectors[list(queries.values())],
            },
        )
        # Isolated: neither this folder nor PYTHONPATH may stand in for the real package.
        _run([python, "-I", _WORKER, folder], ROUTE_SECONDS)
        answers = {}
        for setting in settings:
            with np.load(folder / f"{setting.label}.npz") as stored:
                answers[setting.label] = (stored["scores"], float(stored["seconds"]))
    return answers


FIT_SETTINGS = (DEFAULTS, Setting("semantic_router_max", "max", 100))
"""Settings that are fitted: the defaults, and the best one without its TF-IDF encoder,
which would take hours on 15,000 utterances."""

LOST_SHARE = 0.015
"""Share of the rightly answered requests that its bar for "no route" may cost, as ours."""


@dataclass(frozen=True)
class FitJob:
    """Hold what semantic-router is fitted on and asked.

    Attributes:
        names: The routes.
        utterances: Route and text of each labelled request.
        fit_utterances: Those of the router that the calibration is fitted with.
        fit_queries: Text and right routes of each request that it is fitted on.
        queries: The requests to route.
    """

    names: Sequence[str]
    utterances: Sequence[tuple[str, str]]
    fit_utterances: Sequence[tuple[str, str]]
    fit_queries: Sequence[tuple[str, Sequence[str]]]
    queries: Sequence[str]


@dataclass(frozen=True)
class FittedAnswers:
    """Hold what a fitted router answered.

    Attributes:
        first: int64 [queries], position of the first route.
        confidence: float64 [queries], its calibrated confidence.
        bar: The confidence below which no route is chosen.
    """

    first: NDArray[np.int64]
    confidence: NDArray[np.float64]
    bar: float


def fit_and_route(job: FitJob, encoder: Encoder, python: Path) -> dict[str, FittedAnswers]:
    """Fit semantic-router's calibration and route requests.

    Args:
        job: What to fit on and to ask.
        encoder: The encoder whose vectors it looks up.
        python: The Python that has semantic-router.

    Returns:
        The answers by setting.

    Raises:
        PeerUnavailableError: The process failed or took too long.
    """
    fit_texts = [text for text, _ in job.fit_queries]
    queries = list(dict.fromkeys([*job.queries, *fit_texts]))
    documents = list(dict.fromkeys(text for _, text in job.utterances))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = {
            "names": list(job.names),
            "routes": _by_route(job.utterances),
            "fit_routes": _by_route(job.fit_utterances),
            "fit_queries": fit_texts,
            "fit_labels": [agents[0] if agents else None for _, agents in job.fit_queries],
            "queries": list(job.queries),
            "all_queries": queries,
            "all_documents": documents,
            "settings": [asdict(setting) for setting in FIT_SETTINGS],
        }
        (folder / "job.json").write_text(json.dumps(content), encoding="utf-8")
        write_npz(
            folder / "vectors.npz",
            # Both are requests: routes learn from what users wrote.
            {
                "documents": encoder.encode_queries(documents),
                "queries": encoder.encode_queries(queries),
            },
        )
        _run([python, "-I", _WORKER, folder], ROUTE_SECONDS)
        answers = {}
        for setting in FIT_SETTINGS:
            with np.load(folder / f"{setting.label}.npz") as stored:
                right = stored["fit_confidences"][stored["fit_correct"]]
                answers[setting.label] = FittedAnswers(
                    stored["first"],
                    stored["confidences"],
                    float(np.quantile(right, LOST_SHARE)) if len(right) else 0.0,
                )
    return answers


def _by_route(utterances: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    texts: dict[str, list[str]] = {}
    for name, text in utterances:
        texts.setdefault(name, []).append(text)
    return list(texts.items())


def _run(command: Sequence[Path | str], seconds: float) -> None:
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PeerUnavailableError(f"semantic-router took more than {seconds:.0f} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise PeerUnavailableError(f"semantic-router {PIN}: {' '.join(last) or 'failed'}")
