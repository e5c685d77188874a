"""The benchmark of teams against values counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agentmatch import AgentMatcher, LabelledRequest
from agentmatch.team import DEFAULTS, Settings
from benchmarks.sets import BenchmarkSet
from benchmarks.team import (
    MIN_ONE_AGENT,
    ONE_K,
    TEAM,
    ScoredRequest,
    best_k,
    fit,
    gain,
    groups,
    measure,
    methods,
    score,
)
from conftest import TRADES, HashingEncoder, trade

NAMES = ("a", "b", "c")


def scored(gold: tuple[str, ...], whole: list[float], *parts: list[float]) -> ScoredRequest:
    first = np.array(whole, dtype=np.float32)
    rows = np.array(parts or [whole], dtype=np.float32)
    return ScoredRequest(LabelledRequest("1", "x", gold, "dev"), NAMES, first, rows)


TWO_JOBS = scored(("a", "b"), [0.5, 0.4, 0.3], [0.9, 0, 0], [0, 0.9, 0])
ONE_JOB = scored(("a",), [0.5, 0.4, 0.3], [0.9, 0, 0], [0.3, 0.32, 0.1])


def test_sets_are_measured_as_counted_by_hand() -> None:
    found = measure([TWO_JOBS, scored(("c",), [0.5, 0.4, 0.3])], methods(2, 3))
    team, pair = found[TEAM], found[ONE_K]
    assert team["set_precision"]["value"] == 0.5
    assert team["exact_set"]["value"] == team["one_agent"]["value"] == 0.5
    assert pair["set_recall"]["value"] == 0.5
    difference = gain([TWO_JOBS, ONE_JOB], methods(2, 3), ONE_K)
    # Two of two right against two of two; one of one right against one of two.
    assert difference["value"] == pytest.approx((0 + 1 - 2 / 3) / 2, abs=1e-5)
    assert (difference["won"], difference["lost"]) == (1, 0)


def test_k_is_the_best_for_each_group_and_for_all() -> None:
    all_k, group_k = best_k({"s, several agents": [TWO_JOBS], "s, one agent": [ONE_JOB]})
    assert group_k == {"s, several agents": 2, "s, one agent": 1}
    # F1 1 and 2/3 with two agents against 2/3 and 1 with one: the smaller of equals.
    assert all_k == 1


def test_the_fit_tells_both_kinds_apart_where_it_can() -> None:
    development = {"s, several agents": [TWO_JOBS], "s, one agent": [ONE_JOB]}
    settings = fit(development)
    assert TWO_JOBS.team(settings) == ["a", "b"]
    assert ONE_JOB.team(settings) == ["a"]


def test_the_fit_keeps_single_jobs_single() -> None:
    misleading = replace(ONE_JOB, parts=TWO_JOBS.parts)
    settings = fit({"s, several agents": [TWO_JOBS] * 3, "s, one agent": [misleading]})
    assert MIN_ONE_AGENT > 0
    assert settings == DEFAULTS or len(misleading.team(settings)) == 1


def test_scores_are_those_of_the_matcher() -> None:
    matcher = AgentMatcher([trade(name) for name in TRADES], encoder=HashingEncoder())
    requests = [
        LabelledRequest("1", "A tap drips all night, and then bake forty rolls", ("plumber",)),
        LabelledRequest("2", "Bake a cake", ("baker",)),
    ]
    for each in score(matcher, requests):
        team = matcher.match_team(each.request.text)
        assert each.team(Settings()) == [member.agent.name for member in team]
        assert each.first(2) == [match.agent.name for match in matcher.match(each.request.text, 2)]


def test_of_metatool_only_requests_for_several_tools_are_taken() -> None:
    requests = (
        LabelledRequest("metatool-multi-1", "x", ("a", "b"), "test"),
        LabelledRequest("metatool-single-1", "x", ("a",), "test"),
        LabelledRequest("metatool-none-1", "x", (), "test"),
    )
    assert list(groups(BenchmarkSet("metatool", (), requests))) == ["metatool, several agents"]
    assert list(groups(BenchmarkSet("builtin", (), requests))) == [
        "builtin, several agents",
        "builtin, one agent",
    ]
