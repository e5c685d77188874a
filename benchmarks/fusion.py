"""Fit and validate the weights of the signals, and measure what each part is worth.

Weights are fitted on train and dev requests alone: by coordinate descent over a small
grid, macro MRR@10 over sets, with one set left out at a time to see whether the fit
carries over. Ablations then run on the test requests with the shipped weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agentmatch import AgentMatcher, Encoder, load_encoder
from agentmatch.evaluation.request_sets import sample
from agentmatch.ranking import WEIGHTS
from benchmarks.development import (
    SignalSet,
    add_catalogues,
    development_sets,
    quality,
    signal_set,
)
from benchmarks.left_out import ENCODERS, left_out_encoders
from benchmarks.run import add_folders, say, versions, write_result
from benchmarks.sets import MAX_REQUESTS, SAMPLE_SEED, ZERO_SHOT_SETS, find_sets
from benchmarks.vectors import CachedEncoder

GRID = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
"""Values that a weight may take."""

SWEEPS = 4
"""Rounds over all weights at most; fewer where a round changes none."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks fusion`."""
    add_folders(parser)
    add_catalogues(parser)
    parser.add_argument(
        "--limit", type=int, default=MAX_REQUESTS, help="test requests of a set at most"
    )
    parser.add_argument("--skip", choices=("fit", "ablations"), help="leave one half out")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    vectors = arguments.cache / "vectors"
    if arguments.skip != "fit":
        encoder_for = left_out_encoders(arguments.cache / ENCODERS)
        sets = development_sets(arguments.data, arguments.catalogues, encoder_for, vectors)
        if not sets:
            say("no train or dev requests were found; give their folder with --data")
            return 1
        write_result(arguments.output / "fusion.json", validate(sets))
    if arguments.skip != "ablations":
        result = ablate(arguments.data, load_encoder(), vectors, arguments.limit)
        write_result(arguments.output / "ablations.json", result)
    return 0


def validate(sets: Sequence[SignalSet]) -> dict[str, Any]:
    """Compare shipped, equal and fitted weights, each set judged by a fit on the others."""
    equal = dict.fromkeys(WEIGHTS, 1.0)
    rows = []
    for position, left_out in enumerate(sets):
        others = [*sets[:position], *sets[position + 1 :]]
        weights = fit(others) if others else dict(WEIGHTS)
        row: dict[str, Any] = {
            "left_out": left_out.name,
            "requests": len(left_out),
            "equal": quality(left_out, equal),
            "shipped": quality(left_out, WEIGHTS),
            "fitted": quality(left_out, weights),
            "weights": weights,
        }
        say(f"{left_out.name}: {row}")
        rows.append(row)
    everything = fit(sets)
    return {
        "versions": versions(),
        "grid": list(GRID),
        "shipped_weights": dict(WEIGHTS),
        "fitted_weights": everything,
        "fitted_on_all": _macro([quality(each, everything) for each in sets]),
        "leave_one_set_out": rows,
        "macro": {
            kind: _macro([row[kind] for row in rows]) for kind in ("equal", "shipped", "fitted")
        },
    }


def fit(sets: Sequence[SignalSet], start: Mapping[str, float] = WEIGHTS) -> dict[str, float]:
    """Improve weights one at a time until none of the grid's values is better.

    Args:
        sets: The sets to fit on, each counting alike.
        start: The first weights.

    Returns:
        The weights of the highest macro MRR@10 found.
    """
    weights = dict(start)
    best = _objective(sets, weights)
    for _ in range(SWEEPS):
        before = dict(weights)
        for name in weights:
            for value in GRID:
                candidate = {**weights, name: value}
                if not any(candidate.values()):
                    continue
                reached = _objective(sets, candidate)
                # Rounding must not move a weight.
                if reached > best + 1e-6:
                    weights, best = candidate, reached
        if weights == before:
            break
    return weights


def _objective(sets: Sequence[SignalSet], weights: Mapping[str, float]) -> float:
    return float(np.mean([quality(each, weights)["mrr@10"] for each in sets]))


def _macro(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def variants() -> dict[str, tuple[dict[str, float], bool]]:
    """List the ablations: for each its weights and whether named agents come first."""
    found: dict[str, tuple[dict[str, float], bool]] = {"as shipped": (dict(WEIGHTS), True)}
    found["names in requests ignored"] = (dict(WEIGHTS), False)
    for name in WEIGHTS:
        left = {other: weight for other, weight in WEIGHTS.items() if other != name}
        found[f"without {name}"] = (left, True)
    dense = {name: weight for name, weight in WEIGHTS.items() if not name.startswith("lexical")}
    found["without both lexical signals"] = (dense, True)
    for name in WEIGHTS:
        found[f"{name} alone"] = ({name: 1.0}, False)
    return found


def ablate(data: Path, encoder: Encoder, vectors: Path, limit: int) -> dict[str, Any]:
    """Measure every variant on the test requests of the zero-shot sets."""
    measured: dict[str, dict[str, float]] = {name: {} for name in variants()}
    names = []
    for benchmark in find_sets(ZERO_SHOT_SETS, data):
        cached = CachedEncoder(encoder, vectors, benchmark.name)
        matcher = AgentMatcher(benchmark.agents, encoder=cached)
        signals = signal_set(
            benchmark.name, matcher, sample(benchmark.split("test"), limit, SAMPLE_SEED)
        )
        cached.save()
        names.append(benchmark.name)
        for variant, (weights, mentions) in variants().items():
            bonus = {} if mentions else {"bonus": 0.0}
            measured[variant][benchmark.name] = round(
                quality(signals, weights, **bonus)["accuracy@1"], 5
            )
        say(f"{benchmark.name}: as shipped {measured['as shipped'][benchmark.name]:.3f}")
    return {
        "versions": versions(),
        "sets": names,
        "weights": dict(WEIGHTS),
        "variants": [
            {
                "variant": variant,
                "accuracy@1": row,
                "macro": round(float(np.mean(list(row.values()))), 5),
            }
            for variant, row in measured.items()
        ],
    }
