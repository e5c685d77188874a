"""Measure what tuning on labelled requests brings, beside semantic-router's `fit`.

Every head is fitted on train and dev requests alone; test requests are looked at once.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agentmatch import AgentMatcher, LabelledRequest, load_encoder
from agentmatch.tuning.learning import examples_of
from agentmatch.tuning.report import Quality, measure
from benchmarks.baselines import semantic_router
from benchmarks.run import add_folders, machine, say, versions, write_result
from benchmarks.sets import OWN_SET, BenchmarkSet, find_sets, hash_requests
from benchmarks.task import build_task
from benchmarks.vectors import CachedEncoder

SETS = ("clinc150", "banking77", "healthcare_routing", OWN_SET)

SHOTS = 10
"""Train requests of each agent in the few-shot settings."""

SEEDS = 5
"""Draws of the few-shot settings; their means are reported."""

LOGISTIC_C = 30.0
"""Inverse ridge of the logistic regression, as in `benchmarks.baselines.dense`."""

PEER_SEEDS = 1
"""Draws that semantic-router is measured on, which takes minutes each."""


@dataclass(frozen=True)
class Setting:
    """Name one way of tuning on a set.

    Attributes:
        set_name: The set.
        name: "full" or "10-shot".
        train: The splits that are learned from.
        dev: The split for weights and bar, or None: left-out train requests.
        shots: Train requests of each agent, or None for all.
    """

    set_name: str
    name: str
    train: tuple[str, ...] = ("train",)
    dev: str | None = None
    shots: int | None = None


SETTINGS = (
    Setting("clinc150", "full", dev="dev"),
    Setting("clinc150", "10-shot", shots=SHOTS),
    Setting("banking77", "full"),
    Setting("banking77", "10-shot", shots=SHOTS),
    Setting("healthcare_routing", "full", train=("train", "dev")),
    Setting(OWN_SET, "full", dev="dev"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks tuning`."""
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}")
    add_folders(parser)
    parser.add_argument("--only", choices=("full", "10-shot"), help="leave out the other")
    parser.add_argument("--no-peer", action="store_true", help="leave semantic-router out")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    found = {benchmark.name: benchmark for benchmark in find_sets(SETS, arguments.data)}
    wanted = [
        setting
        for setting in SETTINGS
        if setting.set_name in found
        and setting.set_name in (arguments.sets or SETS)
        and setting.name in (arguments.only or ("full", "10-shot"))
    ]
    if not wanted:
        say("no set was found; give their folder with --data")
        return 1
    file = arguments.output / "tuning.json"
    encoder = load_encoder()
    for setting in wanted:
        benchmark = found[setting.set_name]
        cached = CachedEncoder(encoder, arguments.cache / "vectors", benchmark.name)
        matcher = AgentMatcher(benchmark.agents, encoder=cached)
        row = run_setting(setting, benchmark, matcher)
        if not arguments.no_peer:
            row["peer"] = run_peer(setting, benchmark, cached, arguments.cache)
        cached.save()
        _keep(file, setting, row)
        gc.collect()
    return 0


def run_setting(setting: Setting, benchmark: BenchmarkSet, matcher: AgentMatcher) -> dict[str, Any]:
    """Tune and measure; the mean over draws in a few-shot setting.

    Args:
        setting: The setting.
        benchmark: Its set.
        matcher: A matcher over the set's agents.

    Returns:
        The figures as JSON values.
    """
    test = benchmark.split("test")
    dev = benchmark.split(setting.dev) if setting.dev else None
    matcher.use_head(None)
    zero_shot = quality_of(matcher, test)
    drawn, seconds, learned, plain = [], [], [], []
    for train in draws(setting, benchmark):
        matcher.use_head(None)
        report = matcher.tune(train, dev)
        drawn.append(quality_of(matcher, test))
        plain.append(logistic_accuracy(matcher, train, test))
        seconds.append(report.seconds)
        learned.append(report.requests)
        say(f"{setting.set_name} {setting.name}: held out {report.after}, test {drawn[-1]}")
    return {
        "agents": len(matcher),
        "learned_from": learned[0],
        "judged_on": report.judged_on,
        "test_requests": len(test),
        "out_of_scope": sum(not request.agents for request in test),
        "test_sha256": hash_requests(test),
        "draws": len(drawn),
        "seconds": round(float(np.mean(seconds)), 1),
        "zero_shot": _rounded(asdict(zero_shot)),
        "logistic_regression": round(float(np.mean(plain)), 5),
        "tuned": mean_quality(drawn),
        "tuned_draws": [_rounded(asdict(quality)) for quality in drawn],
    }


def draws(setting: Setting, benchmark: BenchmarkSet) -> Iterator[list[LabelledRequest]]:
    """Yield the train requests of each draw; requests that no agent fits are always in."""
    everything = list(benchmark.split(*setting.train))
    if setting.shots is None:
        yield everything
        return
    by_agent: dict[str, list[LabelledRequest]] = {}
    for request in everything:
        by_agent.setdefault(request.agents[0] if request.agents else "", []).append(request)
    for seed in range(SEEDS):
        generator = np.random.default_rng(seed)
        chosen = list(by_agent.get("", []))
        for name, members in sorted(by_agent.items()):
            if name:
                rows = generator.permutation(len(members))[: setting.shots]
                chosen += [members[row] for row in sorted(rows)]
        yield chosen


def quality_of(matcher: AgentMatcher, requests: Sequence[LabelledRequest]) -> Quality:
    """Measure a matcher's answers."""
    asked = examples_of(matcher, requests)
    answers = asked.before
    return measure(answers.first, answers.confidence, answers.none, answers.refused, asked.gold)


def logistic_accuracy(
    matcher: AgentMatcher, train: Sequence[LabelledRequest], test: Sequence[LabelledRequest]
) -> float:
    """Return the accuracy of logistic regression (C = 30) on the vectors alone."""
    from sklearn.linear_model import LogisticRegression

    pairs = [(request.text, name) for request in train for name in request.agents]
    model = LogisticRegression(C=LOGISTIC_C, max_iter=1000)
    model.fit(matcher.encode([text for text, _ in pairs]), [name for _, name in pairs])
    fitting = [request for request in test if request.agents]
    chosen = model.predict(matcher.encode([request.text for request in fitting]))
    right = [name in request.agents for name, request in zip(chosen, fitting, strict=True)]
    return sum(right) / len(right)


def mean_quality(qualities: Sequence[Quality]) -> dict[str, float | None]:
    """Average each figure over draws; None where a draw lacks it."""
    means: dict[str, float | None] = {}
    for name in asdict(qualities[0]):
        found = [getattr(quality, name) for quality in qualities]
        means[name] = None if None in found else float(np.mean(found))
    return _rounded(means)


def run_peer(
    setting: Setting, benchmark: BenchmarkSet, encoder: CachedEncoder, cache: Path
) -> dict[str, Any]:
    """Measure semantic-router with the same requests and vectors.

    Its routes' utterances are the agents' passages and the labelled requests. Its `fit`
    calibrates on the dev requests; where there are none, on a fifth of the train
    requests, by a router that has the other four fifths. Its bar for "no route" loses the
    same share of the requests answered rightly as ours.

    Args:
        setting: The setting.
        benchmark: Its set.
        encoder: The vectors.
        cache: The folder for virtual environments.

    Returns:
        Figures by setting of the router, or why there are none.
    """
    try:
        python = semantic_router.install(cache / "environments")
    except semantic_router.PeerUnavailableError as error:
        return {"excluded": str(error)}
    test = benchmark.split("test")
    names = [agent.name for agent in benchmark.agents]
    task = build_task(AgentMatcher(benchmark.agents, encoder=encoder), test[:1])
    passages = [
        (task.names[owner], text)
        for owner, text in zip(task.owners.tolist(), task.passages, strict=True)
    ]
    drawn: dict[str, list[Quality]] = {}
    for number, train in enumerate(draws(setting, benchmark)):
        if number == PEER_SEEDS:
            break
        if setting.dev:
            utterances, held_out = train, list(benchmark.split(setting.dev))
        else:
            order = np.random.default_rng(number).permutation(len(train))
            held_out = [train[row] for row in order[: len(train) // 5]]
            utterances = [train[row] for row in order[len(train) // 5 :]]
        job = semantic_router.FitJob(
            names=names,
            utterances=passages + _pairs(train),
            fit_utterances=passages + _pairs(utterances),
            fit_queries=[(request.text, request.agents) for request in held_out],
            queries=[request.text for request in test],
        )
        try:
            answers = semantic_router.fit_and_route(job, encoder, python)
        except semantic_router.PeerUnavailableError as error:
            return {"excluded": str(error)}
        gold = np.array([[name in request.agents for name in names] for request in test])
        for label, answer in answers.items():
            quality = measure(
                answer.first,
                answer.confidence,
                1 - answer.confidence,
                answer.confidence < answer.bar,
                gold,
            )
            drawn.setdefault(label, []).append(quality)
            say(f"{setting.set_name} {setting.name}: {label} {quality}")
    return {label: mean_quality(qualities) for label, qualities in drawn.items()}


def _pairs(requests: Sequence[LabelledRequest]) -> list[tuple[str, str]]:
    return [(name, request.text) for request in requests for name in request.agents]


def _rounded(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 5) for name, value in figures.items()}


def _keep(file: Path, setting: Setting, row: dict[str, Any]) -> None:
    """Write one setting's figures beside those of the others."""
    import json

    document: dict[str, Any] = {"settings": {}}
    if file.exists():
        document = json.loads(file.read_text(encoding="utf-8"))
    settings = document["settings"] | {f"{setting.set_name}, {setting.name}": row}
    order = [f"{known.set_name}, {known.name}" for known in SETTINGS]
    write_result(
        file,
        {
            "versions": versions(),
            "machine": machine(),
            "settings": {name: settings[name] for name in order if name in settings},
        },
    )
