"""Teams: the pure choice, and the matcher that makes one of a request."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmatch import Agent, AgentMatcher, InvalidRequestError
from agentmatch.calibration import Calibration, LogisticModel
from agentmatch.team import Settings, choose_team, part_values, uncovered_parts
from conftest import TRADES, HashingEncoder, trade

NAMES = ("a", "b", "c", "d")


def arrays(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    scores = st.floats(0, 1, width=16).map(float)
    rows = draw(st.lists(st.lists(scores, min_size=4, max_size=4), min_size=2, max_size=6))
    whole, *parts = np.array(rows, dtype=np.float32)
    return whole, np.array(parts)


score_arrays = st.composite(arrays)()


def scores(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_each_job_gets_the_agent_that_is_best_at_it() -> None:
    whole = scores((0.5, 0.4, 0.2, 0.1))[0]
    parts = scores((0.2, 0.6, 0.1, 0.1), (0.7, 0.1, 0.1, 0.1), (0.2, 0.7, 0.1, 0.1))
    team = choose_team(whole, parts, NAMES, 5)
    assert [(NAMES[member.agent], member.parts) for member in team] == [
        ("b", (0, 2)),
        ("a", (1,)),
    ]


def test_a_sentence_that_nobody_fits_asks_for_nobody() -> None:
    whole = scores((0.5, 0.1, 0.1, 0.1))[0]
    parts = scores((0.7, 0.1, 0.1, 0.1), (0.0, 0.3, 0.1, 0.1))
    (member,) = choose_team(whole, parts, NAMES, 5)
    assert (member.agent, member.parts) == (0, (0, 1))


def test_a_compromise_leaves_when_others_cover_its_parts() -> None:
    whole = scores((0.5, 0.45, 0.45, 0.1))[0]
    parts = scores((0.45, 0.8, 0.1, 0.1), (0.45, 0.1, 0.8, 0.1))
    assert [member.agent for member in choose_team(whole, parts, NAMES, 5)] == [1, 2]


def test_top_k_limits_the_team() -> None:
    whole = scores((0.5, 0.4, 0.4, 0.4))[0]
    parts = np.eye(4, dtype=np.float32)
    assert len(choose_team(whole, parts, NAMES, 5)) == 4
    assert len(choose_team(whole, parts, NAMES, 2)) == 2
    assert [member.agent for member in choose_team(whole, parts, NAMES, 1)] == [0]


def test_equal_agents_are_chosen_by_name_whatever_the_noise() -> None:
    whole = scores((0.2, 0.5, 0.4, 0.4))[0]
    parts = scores((0.1, 0.8, 0.1, 0.1), (0.1, 0.1, 0.8, 0.8))
    noise = scores((0, 0, 0, 0), (0, 0, 0, 2e-7))
    for given_parts in (parts, parts + noise):
        assert [each.agent for each in choose_team(whole, given_parts, NAMES, 5)] == [1, 2]


def worth(values: np.ndarray, team: tuple[int, ...]) -> float:
    return float(values[:, list(team)].max(axis=1).sum())


@given(score_arrays)
def test_the_greedy_choice_keeps_its_promises(both: tuple[np.ndarray, np.ndarray]) -> None:
    whole, parts = both
    settings = Settings(whole_share=0.5, floor=0.3, min_gain=0.05)
    team = choose_team(whole, parts, NAMES, 4, settings)
    covered = sorted(part for member in team for part in member.parts)
    assert covered == list(range(len(parts)))
    assert [member.parts[0] for member in team] == sorted(member.parts[0] for member in team)
    chosen = tuple(member.agent for member in team)
    assert len(set(chosen)) == len(chosen)
    if len(parts) == 1:
        return
    values = np.maximum(part_values(whole, parts, settings), settings.floor)
    # No single newcomer would add enough ...
    for other in set(range(4)) - set(chosen):
        assert worth(values, (*chosen, other)) - worth(values, chosen) < 0.05 + 1e-5
    # ... and the best set of all is not far: greedy is within 1 - 1/e of it for its size.
    best = max(worth(values - 0.3, pair) for pair in combinations(range(4), len(chosen)))
    assert worth(values - 0.3, chosen) >= (1 - 1 / np.e) * best - 0.05 * len(chosen) - 1e-5


REQUESTS = (
    "A tap drips all night, and then bake forty rolls for Sunday",
    "Unblock the kitchen drain",
    "- cut the hedge before nesting\n- a fuse blows, install a socket by the desk\n"
    "- bake rolls and a cake, a party needs a cake",
    "Moss covers the lawn. It is green. Unblock the kitchen drain; patch the wet attic",
)


@pytest.fixture
def matcher(trades: tuple[Agent, ...], encoder: HashingEncoder) -> AgentMatcher:
    return AgentMatcher(trades, encoder=encoder)


def members(team: object) -> list[tuple[str, str, int, float]]:
    return [(m.agent.name, m.part, m.match.rank, m.match.score) for m in team]  # type: ignore[attr-defined]


def test_two_jobs_get_two_agents_with_evidence(matcher: AgentMatcher) -> None:
    team = matcher.match_team(REQUESTS[0])
    assert [(member.agent.name, member.part) for member in team] == [
        ("plumber", "A tap drips all night"),
        ("baker", "bake forty rolls for Sunday"),
    ]
    assert team[0].match.evidence[0].text == "A tap drips all night"
    assert team[1].match.evidence[0].text == "Bake forty rolls for Sunday"
    assert [member.match.rank for member in team] == [1, 1]
    assert [REQUESTS[0][part.start : part.end] for part in team[1].parts] == [team[1].part]


@given(st.text(min_size=1, max_size=80))
def test_a_request_of_one_part_gets_the_first_match(text: str) -> None:
    from agentmatch.splitting import split_request

    matcher = AgentMatcher([trade(name) for name in TRADES], encoder=HashingEncoder())
    try:
        plain = matcher.match(text, 1)
    except InvalidRequestError:
        with pytest.raises(InvalidRequestError):
            matcher.match_team(text)
        return
    team = matcher.match_team(text)
    assert 1 <= len(team) <= 5
    if len(split_request(text)) == 1:
        assert [member.match for member in team] == list(plain)
        assert team.warnings == plain.warnings


def test_neither_the_order_of_agents_nor_the_batch_matters(trades: tuple[Agent, ...]) -> None:
    encoder = HashingEncoder()
    alone = [AgentMatcher(trades, encoder=encoder).match_team(text) for text in REQUESTS]
    shuffled = list(trades)
    random.Random(1).shuffle(shuffled)
    together = AgentMatcher(shuffled, encoder=encoder).match_teams(REQUESTS[::-1])[::-1]
    for one, other in zip(alone, together, strict=True):
        for first, second in zip(members(one), members(other), strict=True):
            assert first[:3] == second[:3]
            assert first[3] == pytest.approx(second[3], abs=1e-5)


def test_all_parts_of_all_requests_are_encoded_together(trades: tuple[Agent, ...]) -> None:
    class Counting(HashingEncoder):
        calls = 0

        def encode_queries(self, texts: object) -> object:  # type: ignore[override]
            self.calls += 1
            return super().encode_queries(texts)  # type: ignore[arg-type]

    encoder = Counting()
    AgentMatcher(trades, encoder=encoder).match_teams(REQUESTS)
    assert encoder.calls == 1


def test_a_named_agent_joins_for_the_part_that_names_it() -> None:
    agents = [
        Agent("code-reviewer", description="Reads merge requests."),
        Agent("debugger", description="Finds the cause of crashes."),
        Agent("writer", description="Writes pages for people."),
    ]
    matcher = AgentMatcher(agents, encoder=HashingEncoder())
    team = matcher.match_team("Let code-reviewer look at my branch; @writer should do the page")
    assert [member.agent.name for member in team] == ["code-reviewer", "writer"]


def test_top_k_of_a_team(matcher: AgentMatcher) -> None:
    assert len(matcher.match_team(REQUESTS[2], top_k=2)) == 2
    with pytest.raises(InvalidRequestError, match="top_k"):
        matcher.match_team("Cut the hedge", top_k=0)
    with pytest.raises(InvalidRequestError, match="list of requests"):
        matcher.match_teams("Cut the hedge")


def test_match_in_the_mode_team_is_match_team(matcher: AgentMatcher) -> None:
    assert matcher.match(REQUESTS[0], mode="team") == matcher.match_team(REQUESTS[0])
    assert matcher.match(REQUESTS[2], 2, mode="team") == matcher.match_team(REQUESTS[2], 2)
    assert matcher.match_many(REQUESTS, mode="team") == matcher.match_teams(REQUESTS)
    assert matcher.match(REQUESTS[0], mode="one") == matcher.match(REQUESTS[0])
    assert matcher.match_many(REQUESTS, mode="one") == matcher.match_many(REQUESTS)


def test_wrong_modes_are_refused(matcher: AgentMatcher) -> None:
    for mode in ("teams", "", None, ["team"]):
        with pytest.raises(InvalidRequestError, match=r'"one".*"team"'):
            matcher.match(REQUESTS[0], mode=mode)  # type: ignore[call-overload]
        with pytest.raises(InvalidRequestError, match=r'"one".*"team"'):
            matcher.match_many(REQUESTS, mode=mode)  # type: ignore[call-overload]
    with pytest.raises(InvalidRequestError, match="min_confidence"):
        matcher.match(REQUESTS[0], min_confidence=0.5, mode="team")  # type: ignore[call-overload]


def test_parts_that_no_agent_fits_are_left_uncovered() -> None:
    values = scores((0.6, 0.1), (0.1, 0.1), (0.35, 0.2))
    # The second is refused and far from all; the third is refused but the context helps.
    assert uncovered_parts(values, False, [False, True, True]) == {1}
    # Below the floor alone is no reason.
    assert uncovered_parts(values, False, [False, False, False]) == set()
    # All refused: kept where the whole request has an agent, left where it has none.
    low = scores((0.1, 0.1), (0.1, 0.1))
    assert uncovered_parts(low, False, [True, True]) == set()
    assert uncovered_parts(low, True, [True, True]) == {0, 1}
    # A request of one part is judged as match judges it.
    assert uncovered_parts(values[:1], True, [False]) == {0}


def test_a_part_without_an_agent_gets_none(trades: tuple[Agent, ...]) -> None:
    # "Some agent fits" is nearly certain where a whole text is as similar as 0.4, excluded at 0.3.
    calibration = Calibration(
        fits=LogisticModel(-35.0, {"whole_text": 100.0}),
        right=LogisticModel(0.0, {"lead": 1.0}),
        max_none=0.9,
    )
    matcher = AgentMatcher(trades, encoder=HashingEncoder(), calibration=calibration)
    team = matcher.match_team("A tap drips all night; zzz qqq xxx vvv")
    assert [(member.agent.name, member.part) for member in team] == [
        ("plumber", "A tap drips all night")
    ]
    assert [part.text for part in team.uncovered] == ["zzz qqq xxx vvv"]
    assert 0 < team[0].match.confidence <= 1
    nobody = matcher.match_team("zzz qqq xxx vvv")
    assert (len(nobody), len(nobody.uncovered)) == (0, 1)
    assert matcher.match("zzz qqq xxx vvv").abstained
