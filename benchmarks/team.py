"""Fit and measure the teams that are proposed for requests of several jobs.

The constants of `agentmatch.team` are fitted on train and dev requests alone. The rival is
the plain ranking cut after k agents: with the one k that is best on all train and dev
requests, and with the k that is best for each group of requests, as if one knew before
which group a request belongs to.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from agentmatch import AgentMatcher, LabelledRequest, load_encoder
from agentmatch.evaluation.metrics import mean_metrics, mean_with_interval, set_metrics
from agentmatch.ranking import Scores, order
from agentmatch.splitting import split_request
from agentmatch.team import DEFAULTS, Settings, choose_team
from benchmarks.left_out import ENCODERS, left_out_encoders
from benchmarks.run import add_folders, say, versions, write_result
from benchmarks.sets import OWN_SET, BenchmarkSet, find_sets, hash_requests
from benchmarks.vectors import CachedEncoder

MAX_MEMBERS = 5
"""Members of a team at most, and the largest k: the default of `match`."""

MIN_ONE_AGENT = 0.85
"""Share of the single-agent train and dev requests that must be given exactly one agent.

A user with one job should hardly ever be sent to several agents; without the bound, the
mean F1 would buy recall on many jobs with a second agent for a quarter of all others."""

WHOLE_SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
FLOORS = (0.16, 0.19, 0.22, 0.25, 0.28, 0.31, 0.34, 0.37)
MIN_GAINS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07)

SINGLE, SEVERAL = "one agent", "several agents"

TEAM = "team"
ONE_K = "top k, one k for all"
GROUP_K = "top k, k of the group"

Chosen = list[str]
"""Names of the agents that are proposed for one request."""


@dataclass(frozen=True)
class ScoredRequest:
    """Hold one request and the scores that a team is chosen from.

    Attributes:
        request: The labelled request.
        names: The agents' names.
        whole: float32 [agents], scores for the whole request.
        parts: float32 [parts, agents], scores for its parts.
    """

    request: LabelledRequest
    names: tuple[str, ...]
    whole: Scores
    parts: Scores

    def team(self, settings: Settings) -> Chosen:
        """Propose a team."""
        chosen = choose_team(self.whole, self.parts, self.names, MAX_MEMBERS, settings)
        return [self.names[member.agent] for member in chosen]

    def first(self, k: int) -> Chosen:
        """Return the first k agents of the plain ranking."""
        return [self.names[position] for position in order(self.whole, self.names, k)]


Group = Sequence[ScoredRequest]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks team`."""
    add_folders(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    development: dict[str, list[ScoredRequest]] = {}
    test: dict[str, list[ScoredRequest]] = {}
    agents: dict[str, int] = {}
    encoder = load_encoder()
    # The shipped encoder was trained on some of the requests that are fitted on.
    encoder_for = left_out_encoders(arguments.cache / ENCODERS)
    for benchmark in find_sets((OWN_SET, "metatool", "livemcpbench"), arguments.data):
        shipped, left_out = (
            CachedEncoder(each, arguments.cache / "vectors", benchmark.name)
            for each in (encoder, encoder_for(benchmark.name))
        )
        matcher = AgentMatcher(benchmark.agents, encoder=shipped)
        fitting = AgentMatcher(benchmark.agents, encoder=left_out)
        for name, requests in groups(benchmark).items():
            agents[name] = len(matcher)
            tested = [request for request in requests if request.split == "test"]
            others = [request for request in requests if request.split != "test"]
            development[name] = score(fitting, others) if others else []
            test[name] = score(matcher, tested)
            say(f"{name}: {len(others)} to fit on, {len(tested)} to test")
        shipped.save()
        left_out.save()
    fitted_on = {name: group for name, group in development.items() if group}
    if not fitted_on:
        say("no train or dev requests were found; give their folder with --data")
        return 1
    fitted = fit(fitted_on)
    say(f"fitted: {fitted}")
    if fitted != DEFAULTS:
        say(f"agentmatch.team has other constants, which are measured: {DEFAULTS}")
    all_k, group_k = best_k(fitted_on)
    document: dict[str, Any] = {
        "versions": versions(),
        "encoder": {"name": encoder.name, "fingerprint": encoder.fingerprint},
        "shipped": asdict(DEFAULTS),
        "fitted": asdict(fitted),
        "min_one_agent": MIN_ONE_AGENT,
        "one_k": all_k,
        "development": {
            name: measure(group, methods(all_k, group_k.get(name, all_k)))
            for name, group in fitted_on.items()
        },
        "test": {},
    }
    for name, group in test.items():
        if group:
            k = group_k.get(name, all_k)
            document["test"][name] = {
                "agents": agents[name],
                "requests": len(group),
                "requests_sha256": hash_requests([each.request for each in group]),
                "one_k": all_k,
                "group_k": k,
                "methods": measure(group, methods(all_k, k)),
                "gains": {
                    rival: gain(group, methods(all_k, k), rival) for rival in (ONE_K, GROUP_K)
                },
                "teams": {each.request.id: each.team(DEFAULTS) for each in group},
            }
    write_result(arguments.output / "team.json", document)
    return 0


def groups(benchmark: BenchmarkSet) -> dict[str, list[LabelledRequest]]:
    """Divide a set's requests that some agent fits by whether several agents should act.

    Of MetaTool only the requests for several tools are taken.
    """
    found: dict[str, list[LabelledRequest]] = {}
    for request in benchmark.requests:
        kind = SEVERAL if len(request.agents) > 1 else SINGLE
        if request.agents and (benchmark.name != "metatool" or "-multi-" in request.id):
            found.setdefault(f"{benchmark.name}, {kind}", []).append(request)
    return dict(sorted(found.items(), key=lambda item: item[0].endswith(SINGLE)))


def score(matcher: AgentMatcher, requests: Sequence[LabelledRequest]) -> list[ScoredRequest]:
    """Score requests and their parts, as `match_teams` does."""
    parts = [[part.text for part in split_request(request.text)] for request in requests]
    texts = [
        text
        for request, own in zip(requests, parts, strict=True)
        for text in (request.text, *(own if len(own) > 1 else ()))
    ]
    scores = matcher.score(texts, matcher.signals(texts))
    names = tuple(agent.name for agent in matcher.agents)
    found, start = [], 0
    for request, own in zip(requests, parts, strict=True):
        end = start + 1 + (len(own) if len(own) > 1 else 0)
        rows = scores[start:end]
        found.append(ScoredRequest(request, names, rows[0], rows[1:] if len(rows) > 1 else rows))
        start = end
    return found


def fit(development: Mapping[str, Group]) -> Settings:
    """Choose the constants on the grid.

    Args:
        development: Train and dev requests by group.

    Returns:
        The settings of the highest mean F1 over groups among those that propose exactly
        one agent for `MIN_ONE_AGENT` of the requests that one agent fits; the first of
        equals in the order of the grid.
    """
    best, highest = DEFAULTS, -1.0
    for values in product(WHOLE_SHARES, FLOORS, MIN_GAINS):
        settings = Settings(*values)
        means, enough = [], True
        for name, group in development.items():
            teams = [each.team(settings) for each in group]
            means.append(mean_f1(group, teams))
            if name.endswith(SINGLE):
                alone = float(np.mean([len(team) == 1 for team in teams]))
                enough = enough and alone >= MIN_ONE_AGENT
        # Rounding must not decide.
        if enough and np.mean(means) > highest + 1e-9:
            best, highest = settings, float(np.mean(means))
    return best


def mean_f1(group: Group, proposed: Iterable[Chosen]) -> float:
    """Average the F1 of proposed sets."""
    pairs = zip(proposed, group, strict=True)
    return float(
        np.mean([set_metrics(set_, each.request.agents)["set_f1"] for set_, each in pairs])
    )


def best_k(development: Mapping[str, Group]) -> tuple[int, dict[str, int]]:
    """Choose k by F1, the smaller of equals.

    Args:
        development: Train and dev requests by group.

    Returns:
        The k of the highest mean over groups, and that of each group.
    """
    table = {
        name: [mean_f1(group, [each.first(k) for each in group]) for k in range(1, MAX_MEMBERS + 1)]
        for name, group in development.items()
    }
    overall = 1 + int(np.mean(list(table.values()), axis=0).argmax())
    return overall, {name: 1 + int(np.argmax(row)) for name, row in table.items()}


Method = Callable[[ScoredRequest], Chosen]


def methods(all_k: int, group_k: int) -> dict[str, Method]:
    """Return the shipped team and its two rivals."""
    return {
        TEAM: lambda each: each.team(DEFAULTS),
        ONE_K: lambda each: each.first(all_k),
        GROUP_K: lambda each: each.first(group_k),
    }


def measure(group: Group, compared: Mapping[str, Method]) -> dict[str, Any]:
    """Measure each method: set metrics and how often exactly one agent is proposed.

    Args:
        group: The requests.
        compared: The methods by name.

    Returns:
        For each method its metrics, each with value, low and high of a 95 % interval.
    """
    found = {}
    for name, method in compared.items():
        rows = []
        for each in group:
            proposed = method(each)
            row = set_metrics(proposed, each.request.agents)
            rows.append({**row, "one_agent": float(len(proposed) == 1)})
        found[name] = {
            metric: {key: round(value, 5) for key, value in asdict(interval).items()}
            for metric, interval in mean_metrics(rows).items()
        }
    return found


def gain(group: Group, compared: Mapping[str, Method], rival: str) -> dict[str, Any]:
    """Compare the team's F1 with a rival's request by request.

    Args:
        group: The requests.
        compared: The methods by name.
        rival: The rival's name.

    Returns:
        The mean difference with its interval, and how many requests each wins.
    """
    differences = [
        set_metrics(compared[TEAM](each), each.request.agents)["set_f1"]
        - set_metrics(compared[rival](each), each.request.agents)["set_f1"]
        for each in group
    ]
    interval = asdict(mean_with_interval(differences))
    return {
        **{key: round(value, 5) for key, value in interval.items()},
        "won": sum(difference > 1e-9 for difference in differences),
        "lost": sum(difference < -1e-9 for difference in differences),
    }
