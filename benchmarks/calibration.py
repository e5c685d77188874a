"""Fit the confidences on train and dev requests, and measure them on sets left out.

Each set, or family of sets, is left out in turn; two logistic models are fitted on the
train and dev requests of all others and measured on the test requests of the one left
out. What the package ships is fitted on the train and dev requests of all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import agentmatch
from agentmatch import Agent, AgentMatcher, Encoder, LabelledRequest, load_catalogue, load_encoder
from agentmatch.calibration import Calibration, LogisticModel
from agentmatch.catalogue import unique_agents
from agentmatch.evaluation.abstention import (
    area_under_risk_coverage,
    brier_score,
    expected_calibration_error,
    false_positive_rate,
)
from agentmatch.evaluation.metrics import auroc
from agentmatch.evaluation.request_sets import sample
from agentmatch.features import Features
from benchmarks.development import (
    MIN_EXAMPLES,
    TEST_CATALOGUES,
    add_catalogues,
    held_out_rounds,
)
from benchmarks.left_out import ENCODERS, left_out_encoders
from benchmarks.run import add_folders, say, versions, write_result
from benchmarks.sets import (
    SAMPLE_SEED,
    SUPERVISED_SETS,
    BenchmarkSet,
    find_sets,
    with_examples,
)
from benchmarks.vectors import CachedEncoder

SHIPPED = Path(agentmatch.__file__).with_name("calibration.json")
"""The file that `--write` replaces."""

MAX_FIT = 2000
"""Train and dev requests of a set that some agent fits; those that none fits are all used."""

MAX_TEST = 5000
"""Test requests of a set that are measured."""

EXAMPLES = 20
"""Train requests of an intent that become its example tasks, where it has nothing else."""

SHARE_OF_NONE = 0.15
"""The share of requests that no agent fits, as the fit sees every set.

No set tells how often users ask for what no agent does; the sets here have 0 to 24 %."""

FULL_WEIGHT = 200
"""Requests from which on a set counts as much as any other."""

FULL_WEIGHT_OF_NONE = 50
"""Requests that no agent fits from which on they count in full."""

SHRINKAGE = 0.02
"""Ridge penalty on weights of standardised features. With so few sets, weights that
lean on each other carry over better than the best of each."""

NAMED_LOG_ODDS = 3.7
"""Weight of `named`: an agent that is named outright was right 118 times of 121
(`python -m benchmarks name_mentions`); named requests are too few to fit it."""

FITS = ("whole_text", "top_passages", "words", "other_script")
RIGHT = ("lead", "log_share")

LOSS = 0.02
"""Of the requests that reach a right agent first, the share that the bar may refuse, on
the dev requests of any set."""

BARS = tuple(round(0.3 + 0.05 * step, 2) for step in range(13))
"""The bars tried, as probabilities that no agent fits."""

FAMILIES = {"davila7_agents": "coding agents", "wshobson_agents": "coding agents"}
"""Sets that are left out together; catalogues of agent files belong to "coding agents"."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """Hold the features of the answers to labelled requests.

    Attributes:
        request: For each feature of a request float64 [n].
        agents: For each feature of an agent float64 [n, 1], that of the first one.
        right: bool [n], whether the first agent is a right one.
        fits: bool [n], whether some agent fits.
    """

    request: Mapping[str, Array]
    agents: Mapping[str, Array]
    right: NDArray[np.bool_]
    fits: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.fits)

    def confidence(self, calibration: Calibration) -> tuple[Array, Array]:
        """Return the confidence of the first agent and that of "none", each float64 [n]."""
        features = Features(self.request, self.agents)
        return calibration.confidence(features)[:, 0], calibration.confidence_none(features)


@dataclass(frozen=True)
class CalibrationSet:
    """Hold a set's answers for the fit and for the measurement.

    Attributes:
        name: The set.
        family: What is left out together with it.
        fit: Train and dev requests, or None.
        test: Test requests, or None.
    """

    name: str
    family: str
    fit: Answers | None
    test: Answers | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks calibration`."""
    add_folders(parser)
    add_catalogues(parser)
    parser.add_argument("--write", action="store_true", help="replace the package's weights")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    encoder_for = left_out_encoders(arguments.cache / ENCODERS)
    sets = list(
        calibration_sets(
            arguments.data, arguments.catalogues, encoder_for, arguments.cache / "vectors"
        )
    )
    fitted = [each for each in sets if each.fit is not None]
    if not fitted:
        say("no train or dev requests were found; give their folder with --data")
        return 1
    rows = [measure_left_out(each, fitted) for each in sets]
    shipped = fit(fitted, load_encoder().fingerprint)
    if arguments.write:
        SHIPPED.write_text(json.dumps(shipped.to_json(), indent=2) + "\n", encoding="utf-8")
        say(f"{SHIPPED} written")
    write_result(
        arguments.output / "calibration.json",
        {
            "versions": versions(),
            "share_of_none": SHARE_OF_NONE,
            "shrinkage": SHRINKAGE,
            "fitted": shipped.to_json(),
            "bars": bars(fitted, shipped),
            "left_out": rows,
        },
    )
    return 0


def calibration_sets(
    data: Path, catalogues: Path, encoder_for: Callable[[str], Encoder], vectors: Path
) -> Iterator[CalibrationSet]:
    """Compute the answers of every set that is on this machine.

    Each is answered with an encoder that saw nothing of its kind, so that confidences are
    fitted for, and measured on, catalogues that are new to the encoder.
    """
    for benchmark in find_sets((), data):
        cached = CachedEncoder(encoder_for(benchmark.name), vectors, benchmark.name)
        agents, fitting, testing = _split(benchmark)
        matcher = AgentMatcher(agents, encoder=cached)
        yield CalibrationSet(
            benchmark.name,
            FAMILIES.get(benchmark.name, benchmark.name),
            answers(matcher, fitting) if fitting else None,
            answers(matcher, testing) if testing else None,
        )
        cached.save()
    for folder in sorted(catalogues.iterdir()) if catalogues.is_dir() else ():
        if folder.is_dir() and folder.name not in TEST_CATALOGUES:
            found = unique_agents(load_catalogue(folder).agents)
            if sum(len(agent.example_tasks) for agent in found) >= MIN_EXAMPLES:
                cached = CachedEncoder(encoder_for(folder.name), vectors, folder.name)
                yield CalibrationSet(
                    folder.name, "coding agents", held_out_answers(found, cached), None
                )
                cached.save()


def _split(
    benchmark: BenchmarkSet,
) -> tuple[tuple[Agent, ...], list[LabelledRequest], list[LabelledRequest]]:
    """Return a set's agents, the requests to fit on and those to measure."""
    agents = benchmark.agents
    train, dev = benchmark.split("train"), benchmark.split("dev")
    if benchmark.name in SUPERVISED_SETS:
        # The intents have no description; some of their train requests stand in for it,
        # and the fit sees others.
        by_intent: dict[str, list[LabelledRequest]] = {}
        for request in sample(train, len(train), SAMPLE_SEED):
            for name in request.agents:
                by_intent.setdefault(name, []).append(request)
        agents = with_examples(
            agents, [request for group in by_intent.values() for request in group[:EXAMPLES]]
        )
        train = tuple(request for group in by_intent.values() for request in group[EXAMPLES:])
    pool = dev if benchmark.name in SUPERVISED_SETS and dev else (*train, *dev)
    some = sample([request for request in pool if request.agents], MAX_FIT, SAMPLE_SEED)
    none = [request for request in pool if not request.agents]
    return agents, [*some, *none], list(sample(benchmark.split("test"), MAX_TEST, SAMPLE_SEED))


def answers(matcher: AgentMatcher, requests: Sequence[LabelledRequest]) -> Answers:
    """Compute the features of the first agents for labelled requests."""
    features = matcher.features([request.text for request in requests])
    positions = {agent.name: position for position, agent in enumerate(matcher.agents)}
    right = np.zeros((len(requests), len(matcher)), dtype=np.bool_)
    for row, request in enumerate(requests):
        right[row, [positions[name] for name in request.agents]] = True
    # Shares of the softmax are ordered as the scores are.
    first = np.argmax(features.agents["log_share"], axis=1)[:, np.newaxis]
    return Answers(
        features.request,
        {
            name: np.take_along_axis(values, first, axis=1)
            for name, values in features.agents.items()
        },
        np.take_along_axis(right, first, axis=1)[:, 0],
        np.asarray(right.any(axis=1), dtype=np.bool_),
    )


def held_out_answers(agents: Sequence[Agent], encoder: Encoder) -> Answers:
    """Ask each example task of a catalogue while its agent does not have it."""
    return concatenate(
        [
            answers(AgentMatcher(others, encoder=encoder), requests)
            for others, requests in held_out_rounds(agents)
        ]
    )


def concatenate(parts: Sequence[Answers]) -> Answers:
    """Put answers together."""
    return Answers(
        {name: np.concatenate([part.request[name] for part in parts]) for name in parts[0].request},
        {name: np.concatenate([part.agents[name] for part in parts]) for name in parts[0].agents},
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.fits for part in parts]),
    )


def fit(sets: Sequence[CalibrationSet], fingerprint: str) -> Calibration:
    """Fit both models, each set counting alike, and choose the bar.

    Args:
        sets: Sets with requests to fit on.
        fingerprint: The encoder's.

    Returns:
        The calibration.
    """
    parts = [each.fit for each in sets if each.fit is not None]
    fits = fit_logistic(
        FITS,
        np.concatenate([_columns(part.request, FITS) for part in parts]),
        np.concatenate([part.fits for part in parts]),
        np.concatenate([_weights_of_fits(part) for part in parts]),
    )
    fits = replace(fits, weights={**fits.weights, "named": NAMED_LOG_ODDS})
    first = [_columns({name: part.agents[name][:, 0] for name in RIGHT}, RIGHT) for part in parts]
    right = fit_logistic(
        RIGHT,
        np.concatenate([rows[part.fits] for rows, part in zip(first, parts, strict=True)]),
        np.concatenate([part.right[part.fits] for part in parts]),
        np.concatenate([_equal_weights(int(part.fits.sum())) for part in parts]),
    )
    calibration = Calibration(_rounded(fits), _rounded(right), 1.0, fingerprint)
    return replace(calibration, max_none=choose_bar(sets, calibration))


def _columns(features: Mapping[str, Array], names: Sequence[str]) -> Array:
    return np.stack([features[name] for name in names], axis=1)


def _equal_weights(n: int) -> Array:
    return np.full(n, min(1.0, n / FULL_WEIGHT) / max(n, 1))


def _weights_of_fits(part: Answers) -> Array:
    """Weigh requests so that a share of `SHARE_OF_NONE` is for no agent, where there are any."""
    some, none = int(part.fits.sum()), int((~part.fits).sum())
    weights = np.where(part.fits, (1 - SHARE_OF_NONE) / max(some, 1), SHARE_OF_NONE / max(none, 1))
    # A handful of "none" requests must not count as much as a hundred.
    weights[~part.fits] *= min(1.0, none / FULL_WEIGHT_OF_NONE)
    return np.asarray(weights * min(1.0, len(part) / FULL_WEIGHT), dtype=np.float64)


def fit_logistic(
    names: Sequence[str], rows: Array, labels: NDArray[np.bool_], weights: Array
) -> LogisticModel:
    """Fit a logistic regression whose weights are all 0 or above.

    Args:
        names: The features.
        rows: float64 [n, features].
        labels: bool [n].
        weights: float64 [n], what each row counts.

    Returns:
        The model: proportions of the weights by ridge regression, their scale and the
        bias by maximum likelihood along that direction (Platt scaling).
    """
    from scipy.optimize import minimize

    centre, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    standard = (rows - centre) / scale
    share = weights / weights.sum()

    def solve(columns: Array, penalty: float) -> Array:
        def loss(point: Array) -> tuple[float, Array]:
            logits = columns @ point[:-1] + point[-1]
            residual = share * (0.5 * (1 + np.tanh(0.5 * logits)) - labels)
            value = (share * (np.logaddexp(0, logits) - labels * logits)).sum()
            gradient = np.append(columns.T @ residual + 2 * penalty * point[:-1], residual.sum())
            return float(value + penalty * (point[:-1] ** 2).sum()), gradient

        bounds = [(0.0, None)] * columns.shape[1] + [(None, None)]
        start = np.zeros(columns.shape[1] + 1)
        return np.asarray(minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x)

    direction = solve(standard, SHRINKAGE)[:-1]
    # The penalty is there for the proportions of the weights, not to blur probabilities.
    scaling, bias = solve((standard @ direction)[:, np.newaxis], 0.0)
    slopes = scaling * direction / scale
    weights_by_name = dict(zip(names, map(float, slopes), strict=True))
    return LogisticModel(float(bias - slopes @ centre), weights_by_name)


def _rounded(model: LogisticModel) -> LogisticModel:
    return LogisticModel(
        round(model.bias, 3), {name: round(weight, 3) for name, weight in model.weights.items()}
    )


def choose_bar(sets: Sequence[CalibrationSet], calibration: Calibration) -> float:
    """Return the lowest bar that refuses few requests that are routed right, on any set."""
    for row in bars(sets, calibration):
        if max(row["right_refused"].values()) <= LOSS:
            return float(row["max_none"])
    return BARS[-1]


def bars(sets: Sequence[CalibrationSet], calibration: Calibration) -> list[dict[str, Any]]:
    """Say what each bar costs and brings on the train and dev requests of each set."""
    found = []
    parts = {each.name: each.fit for each in sets if each.fit is not None}
    none = {name: part.confidence(calibration)[1] for name, part in parts.items()}

    def share(refused: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
        return round(float((refused & of).sum() / max(1, of.sum())), 4)

    for bar in BARS:
        refused = {name: none[name] > bar for name in parts}
        found.append(
            {
                "max_none": bar,
                "right_refused": {
                    name: share(refused[name], part.right) for name, part in parts.items()
                },
                "in_scope_refused": {
                    name: share(refused[name], part.fits) for name, part in parts.items()
                },
                "none_recall": {
                    name: share(refused[name], ~part.fits)
                    for name, part in parts.items()
                    if not part.fits.all()
                },
            }
        )
    return found


def measure_left_out(left_out: CalibrationSet, sets: Sequence[CalibrationSet]) -> dict[str, Any]:
    """Measure a set by a calibration that saw nothing of its family."""
    calibration = fit([each for each in sets if each.family != left_out.family], "")
    # A set too small to split is measured whole: nothing of it was fitted on.
    parts = [part for part in (left_out.fit, left_out.test) if part is not None]
    whole = sum(map(len, parts)) < FULL_WEIGHT or left_out.test is None
    part = concatenate(parts) if whole else parts[-1]
    row = {
        "left_out": left_out.name,
        "splits": "all" if whole else "test",
        "max_none": calibration.max_none,
        **measure(part, calibration),
    }
    say(f"{left_out.name}: {row}")
    return row


def measure(part: Answers, calibration: Calibration) -> dict[str, Any]:
    """Compute every figure of a set that is defined for it."""
    confidence, none = part.confidence(calibration)
    right = part.right
    row: dict[str, Any] = {
        "requests": len(part),
        "none": int((~part.fits).sum()),
        "accuracy": float(right.mean()),
        "mean_confidence": float(confidence.mean()),
        "ece": expected_calibration_error(confidence, right),
        "brier": brier_score(confidence, right),
        "aurc": area_under_risk_coverage(confidence, right),
        "in_scope_refused": float((none[part.fits] > calibration.max_none).mean()),
    }
    if 0 < part.fits.sum() < len(part):
        row["auroc_none"] = auroc(none[~part.fits], none[part.fits])
        row["fpr@95tpr"] = false_positive_rate(1 - none[part.fits], 1 - none[~part.fits])
        row["none_recall"] = float((none[~part.fits] > calibration.max_none).mean())
        row["ece_none"] = expected_calibration_error(none, ~part.fits)
    return {
        name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()
    }
