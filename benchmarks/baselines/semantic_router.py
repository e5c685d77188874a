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
