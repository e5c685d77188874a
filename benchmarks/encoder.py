"""Train the routing encoder that agentmatch ships, or one that leaves a family out.

The same sources, settings and seed give the same model, up to the rounding of the
machine. An interrupted training goes on where it was when it is started again.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agentmatch.encoders.models import BASE_MODEL, find_model
from agentmatch.evaluation.request_sets import sample
from agentmatch.passages import passages_of
from agentmatch.training.contrastive import Check, TrainingSettings, train_encoder
from agentmatch.training.views import titled_view
from benchmarks.development import add_catalogues
from benchmarks.left_out import ENCODERS, SHIPPED
from benchmarks.run import default_cache, say
from benchmarks.sets import DEFAULT_DATA, SAMPLE_SEED, BenchmarkSet, find_sets
from benchmarks.training_data import FAMILIES, Source, gather, untrained_requests

CHECKED_SETS = ("builtin", "metatool", "seal_tools")
"""Sets whose untrained dev requests decide which weights are kept; of healthcare_routing
there are too few to decide anything."""

CHECKED_REQUESTS = 400
"""Dev requests of one set that are looked at."""

CHECKED_AGENTS = 600
"""Agents of one set among which they choose: the right ones, and others as they come."""

Vectors = NDArray[np.float32]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks encoder`."""
    parser.add_argument("-o", "--output", type=Path, help="folder for the model")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for models")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of public sets")
    add_catalogues(parser)
    parser.add_argument(
        "--leave-out", choices=tuple(FAMILIES), metavar="FAMILY", help="train without its sources"
    )
    parser.add_argument("--steps", type=int, default=TrainingSettings.steps, help="batches")
    parser.add_argument(
        "--count", action="store_true", help="only say what would be trained on (as JSON)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    family = arguments.leave_out
    left_out = FAMILIES[family] if family else ()
    output = arguments.output or arguments.cache / ENCODERS / (family or SHIPPED)
    sources = gather(arguments.data, arguments.catalogues, left_out)
    counts = describe(sources)
    if arguments.count:
        print(json.dumps(counts, indent=1))
        return 0
    for row in counts:
        say(str(row))
    checked = [name for name in CHECKED_SETS if name not in left_out]
    settings = replace(TrainingSettings(), steps=arguments.steps)
    train_encoder(
        find_model(BASE_MODEL),
        [source.training for source in sources],
        output,
        settings,
        dev_check(find_sets(checked, arguments.data)),
    )
    say(f"{output} written")
    return 0


def describe(sources: Sequence[Source]) -> list[dict[str, object]]:
    """Count what each source gives."""
    return [
        {
            "source": source.training.name,
            "licence": source.licence,
            "agents": len(source.training.agents),
            "requests": source.requests,
            "none": source.none,
            "lines": len(source.training.pairs) - source.requests,
            "dropped": source.dropped,
        }
        for source in sources
    ]


def dev_check(sets: Sequence[BenchmarkSet]) -> Check:
    """Return a function that measures accuracy@1 of an encoder on dev requests.

    An agent's score is the similarity of its whole text and that of its name and
    description, added.
    """
    tasks = [_DevTask(each) for each in sets]

    def check(encode: Callable[[Sequence[str]], Vectors]) -> Mapping[str, float]:
        return {task.name: task.accuracy(encode) for task in tasks}

    return check


class _DevTask:
    def __init__(self, benchmark: BenchmarkSet) -> None:
        self.name = benchmark.name
        fitting = [request for request in untrained_requests(benchmark) if request.agents]
        requests = sample(fitting, CHECKED_REQUESTS, SAMPLE_SEED)
        right = {agent for request in requests for agent in request.agents}
        others = [agent for agent in benchmark.agents if agent.name not in right]
        more = random.Random(SAMPLE_SEED).sample(
            others, max(0, min(len(others), CHECKED_AGENTS - len(right)))
        )
        agents = [agent for agent in benchmark.agents if agent.name in right] + more
        self._requests = [request.text for request in requests]
        self._gold = np.array(
            [[agent.name in request.agents for agent in agents] for request in requests]
        )
        generator = random.Random(SAMPLE_SEED)
        self._views = [
            [passages_of(agent)[1].text for agent in agents],
            [titled_view(agent, "", generator) for agent in agents],
        ]

    def accuracy(self, encode: Callable[[Sequence[str]], Vectors]) -> float:
        requests = encode(self._requests)
        scores = sum(requests @ encode(view).T for view in self._views)
        best = np.argmax(scores, axis=1)
        return round(float(self._gold[np.arange(len(best)), best].mean()), 4)
