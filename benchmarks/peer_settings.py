"""Choose the best setting of semantic-router on dev requests, one for all sets.

It gets the same chance as agentmatch: one universal setting, chosen by macro
accuracy@1 on train and dev requests of the zero-shot sets, equal ones by
MRR@10, then by depth.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from agentmatch import AgentMatcher, load_encoder
from agentmatch.evaluation.request_sets import sample
from benchmarks.baselines.semantic_router import PIN, Setting, install, route
from benchmarks.development import DEV_SETS
from benchmarks.run import add_folders, say, write_result
from benchmarks.scoring import measure, rank
from benchmarks.sets import SAMPLE_SEED, find_sets
from benchmarks.task import build_task
from benchmarks.vectors import CachedEncoder

SETTINGS = tuple(
    Setting(f"{aggregation}-{top_k}{'-sparse' if sparse else ''}", aggregation, top_k, sparse)
    for sparse in (False, True)
    for aggregation in ("mean", "max", "sum")
    for top_k in (5, 20, 100)
)
"""What is tried: every aggregation, three depths, with and without TF-IDF."""

CHOSEN_BY = ("accuracy@1", "mrr@10")

LIMIT = 150
"""Requests of one set; its sparse index takes tens of milliseconds a request."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks peer`."""
    add_folders(parser)
    parser.add_argument("--limit", type=int, default=LIMIT, help="requests of a set at most")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    python = install(arguments.cache / "environments")
    encoder = load_encoder()
    measured: dict[str, dict[str, dict[str, float]]] = {s.label: {} for s in SETTINGS}
    for benchmark in find_sets(DEV_SETS, arguments.data):
        cached = CachedEncoder(encoder, arguments.cache / "vectors", benchmark.name)
        matcher = AgentMatcher(benchmark.agents, encoder=cached)
        dev = [request for request in benchmark.split("train", "dev") if request.agents]
        requests = sample(dev, arguments.limit, SAMPLE_SEED)
        task = build_task(matcher, requests)
        cached.save()
        for label, (scores, seconds) in route(task, SETTINGS, python).items():
            metrics = measure(rank(scores, task.names), requests)["metrics"]
            measured[label][benchmark.name] = {name: metrics[name]["value"] for name in CHOSEN_BY}
            say(f"{benchmark.name} {label}: {measured[label][benchmark.name]}, {seconds:.1f} s")
    rows: list[dict[str, Any]] = [
        {
            "setting": label,
            "macro": {
                name: round(float(np.mean([values[name] for values in row.values()])), 5)
                for name in CHOSEN_BY
            },
            "sets": row,
        }
        for label, row in measured.items()
    ]
    depth = {setting.label: setting.top_k for setting in SETTINGS}
    rows.sort(
        key=lambda row: [*(-row["macro"][name] for name in CHOSEN_BY), -depth[row["setting"]]]
    )
    say(f"best: {rows[0]}")
    write_result(
        arguments.output / "semantic_router_settings.json",
        {"semantic-router": PIN, "requests_of_a_set": arguments.limit, "settings": rows},
    )
    return 0
