"""Prove that the encoder's training carries over to what it never saw.

Every set is routed with all-MiniLM-L6-v2, with an encoder that was trained without the
sources of the set's kind, and with the encoder that ships; all else is the same. Beside
it: requests in other languages, and two checks that plain similarity was not forgotten,
on intents that no encoder was trained on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agentmatch import AgentMatcher, Encoder, LabelledRequest, load_encoder
from agentmatch.encoders.models import BASE_MODEL
from agentmatch.evaluation.metrics import mean_with_interval
from agentmatch.evaluation.request_sets import sample
from benchmarks.development import add_catalogues, quality, signal_set
from benchmarks.encoder import describe
from benchmarks.left_out import ENCODERS, family_of, left_out_encoders
from benchmarks.run import add_folders, say, versions, write_result
from benchmarks.scoring import first_right
from benchmarks.sets import (
    MAX_REQUESTS,
    OWN_SET,
    SAMPLE_SEED,
    SUPERVISED_SETS,
    ZERO_SHOT_SETS,
    BenchmarkSet,
    find_sets,
)
from benchmarks.training_data import gather
from benchmarks.vectors import CachedEncoder

KINDS = ("base", "left_out", "shipped")
"""all-MiniLM-L6-v2; trained without the set's kind; what the package ships."""

PARAPHRASES = 2000
"""Test requests among which each looks for another one of its intent."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks transfer`."""
    add_folders(parser)
    add_catalogues(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    encoder_for = left_out_encoders(arguments.cache / ENCODERS)
    vectors = arguments.cache / "vectors"
    base, shipped = load_encoder(BASE_MODEL), load_encoder()
    rows = []
    for benchmark in find_sets(ZERO_SHOT_SETS, arguments.data):
        encoders = {"base": base, "left_out": encoder_for(benchmark.name), "shipped": shipped}
        rows.append(_measure_set(benchmark, encoders, vectors))
        say(json.dumps(rows[-1]))
    intents = [
        _measure_intents(benchmark, {"base": base, "shipped": shipped}, vectors)
        for benchmark in find_sets(SUPERVISED_SETS, arguments.data)
    ]
    write_result(
        arguments.output / "transfer.json",
        {
            "versions": versions(),
            "encoders": {
                "base": base.fingerprint,
                "shipped": shipped.fingerprint,
                **{
                    f"without {family}": encoder_for(name).fingerprint
                    for name in ("metatool", OWN_SET)
                    if (family := family_of(name))
                },
            },
            "trainings": {
                folder.name: _training(folder)
                for folder in sorted((arguments.cache / ENCODERS).iterdir())
                if (folder / "training.json").exists()
            },
            "trained_on": describe(gather(arguments.data, arguments.catalogues)),
            "sets": rows,
            "macro": {
                kind: round(float(np.mean([row["accuracy@1"][kind] for row in rows])), 5)
                for kind in KINDS
            },
            "intents": intents,
        },
    )
    return 0


def _training(folder: Path) -> dict[str, Any]:
    report = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    return {**report["settings"], "kept": report["kept"], "checks": report["checks"]}


def _measure_set(
    benchmark: BenchmarkSet, encoders: Mapping[str, Encoder], vectors: Path
) -> dict[str, Any]:
    requests = sample(benchmark.split("test"), MAX_REQUESTS, SAMPLE_SEED)
    fitting = [request for request in requests if request.agents]
    right: dict[str, list[bool]] = {}
    for kind, encoder in encoders.items():
        cached = CachedEncoder(encoder, vectors, benchmark.name)
        matcher = AgentMatcher(benchmark.agents, encoder=cached)
        right[kind] = _first_is_right(matcher, fitting)
        cached.save()
    gain = mean_with_interval(
        [float(new) - float(old) for new, old in zip(right["left_out"], right["base"], strict=True)]
    )
    row: dict[str, Any] = {
        "set": benchmark.name,
        "left_out": family_of(benchmark.name),
        "requests": len(fitting),
        "accuracy@1": {kind: _mean(found) for kind, found in right.items()},
        "gain": {name: round(getattr(gain, name), 5) for name in ("value", "low", "high")},
    }
    foreign = [n for n, request in enumerate(fitting) if "language" in request.tags]
    if foreign:
        row["other_languages"] = {
            "requests": len(foreign),
            **{kind: _mean([found[n] for n in foreign]) for kind, found in right.items()},
        }
    return row


def _first_is_right(matcher: AgentMatcher, requests: Sequence[LabelledRequest]) -> list[bool]:
    results = matcher.match_many(
        [request.text for request in requests], top_k=1, min_confidence=0.0
    )
    return [
        first_right([match.agent.name for match in result], request.agents) == 1
        for result, request in zip(results, requests, strict=True)
    ]


def _mean(values: Sequence[bool]) -> float:
    return round(float(np.mean(values)), 5)


def _measure_intents(
    benchmark: BenchmarkSet, encoders: Mapping[str, Encoder], vectors: Path
) -> dict[str, Any]:
    """Route by the names of intents alone, and look for paraphrases."""
    fitting = [request for request in benchmark.split("test") if request.agents]
    requests = sample(fitting, PARAPHRASES, SAMPLE_SEED)
    intents = np.array([request.agents[0] for request in requests])
    row: dict[str, Any] = {"set": benchmark.name, "requests": len(requests)}
    for kind, encoder in encoders.items():
        cached = CachedEncoder(encoder, vectors, benchmark.name)
        matcher = AgentMatcher(benchmark.agents, encoder=cached)
        signals = signal_set(benchmark.name, matcher, requests)
        vectors_of = cached.encode_queries([request.text for request in requests])
        cached.save()
        similar = vectors_of @ vectors_of.T
        np.fill_diagonal(similar, -np.inf)
        row[kind] = {
            "by_name": round(quality(signals, {"whole_text": 1.0}, bonus=0.0)["accuracy@1"], 5),
            "nearest_is_of_same_intent": _mean(intents[similar.argmax(axis=1)] == intents),
        }
    say(json.dumps(row))
    return row
