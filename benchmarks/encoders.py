"""Measure how fast each runtime of the default model starts, and how fast it encodes.

    python -m benchmarks.encoders [--rounds 9] [--output benchmarks/results/encoders.json]

Cold start: a new Python process that encodes one request, as a multiple of `python -c pass`.
Throughput: texts a second in one process. All variants of a round are measured one after
the other, and medians over the rounds are reported, so that other work on the machine
disturbs all alike. The spread says how much it disturbed: the middle half of the rounds,
relative to the median.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from agentmatch import load_encoder

DEFAULT_OUTPUT = Path(__file__).parent / "results" / "encoders.json"
RUNTIMES = ("numpy", "onnxruntime", "sentence-transformers")
REQUEST = "Implement user authentication with JWT"
SHORT = (
    "The checkout page takes five seconds to load on phones",
    "Rotate the TLS certificate of the staging cluster",
    "who can read this NDA before we sign",
    "pods are crash looping after the last deploy",
)
PASSAGE = (
    "Reviews changes to the public interface of a service before they are merged: names, "
    "status codes, error bodies, pagination, idempotency and versioning. Writes the reasons "
    "down, proposes a migration for every breaking change, and checks that the clients of "
    "the last two releases still pass their contract tests against the new server."
)
TEXTS = {
    "1 short request": [REQUEST],
    "32 short requests": [f"{SHORT[n % 4]} ({n})" for n in range(32)],
    "32 passages": [f"{PASSAGE} {n}" for n in range(32)],
}
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def encoding(runtime: str | None) -> str:
    """Return a script that encodes one request."""
    return (
        f"from agentmatch import load_encoder\n"
        f"load_encoder(runtime={runtime!r}).encode_queries([{REQUEST!r}])"
    )


STARTS: dict[str, tuple[str, dict[str, str]]] = {
    "python -c pass": ("pass", {}),
    "import numpy": ("import numpy", ONE_THREAD),
    "numpy (what load_encoder chooses)": (encoding(None), ONE_THREAD),
    "numpy, BLAS threads not limited from the start": (encoding(None), {}),
    "onnxruntime": (encoding("onnxruntime"), ONE_THREAD),
    "sentence-transformers": (encoding("sentence-transformers"), ONE_THREAD),
}


def main() -> None:
    """Measure, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each measurement")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="file for the figures")
    arguments = parser.parse_args()
    load_before = os.getloadavg()
    starts = measure(
        {name: partial(run, *start) for name, start in STARTS.items()},
        arguments.rounds,
    )
    bare = statistics.median(starts["python -c pass"])
    report: dict[str, Any] = {
        "rounds": arguments.rounds,
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "cold start": {
            name: {
                "times a bare start": round(statistics.median(seconds) / bare, 1),
                "milliseconds": round(1000 * statistics.median(seconds)),
                "spread": spread(seconds),
            }
            for name, seconds in starts.items()
        },
        "texts a second": throughput(arguments.rounds),
        # Above the number of processors, other work slowed all of this down.
        "load average": {"before": load_before, "after": os.getloadavg()},
    }
    print(json.dumps(report, indent=1))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def throughput(rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Measure every runtime on every batch of texts, each warmed up before."""
    encoders = {runtime: load_encoder(runtime=runtime) for runtime in RUNTIMES}
    report = {}
    for kind, texts in TEXTS.items():
        seconds = measure(
            {name: partial(encoder.encode_documents, texts) for name, encoder in encoders.items()},
            rounds,
        )
        report[kind] = {
            runtime: {
                "median": round(len(texts) / statistics.median(taken), 1),
                "best": round(len(texts) / min(taken), 1),
                "spread": spread(taken),
            }
            for runtime, taken in seconds.items()
        }
    return report


def measure(variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each round of each variant; a first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, variant in variants.items():
            start = time.perf_counter()
            variant()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def run(script: str, environment: dict[str, str]) -> None:
    """Run a script in a new Python."""
    command = [sys.executable, "-c", script]
    subprocess.run(
        command, check=True, env={**os.environ, **environment}, stderr=subprocess.DEVNULL
    )


def spread(seconds: Sequence[float]) -> float:
    """Return the middle half of the values, relative to their median."""
    low, middle, high = statistics.quantiles(seconds, n=4)
    return round((high - low) / middle, 2)


if __name__ == "__main__":
    main()
