"""Split requests of several jobs, score their parts and choose a team for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agentmatch.ranking import order
from agentmatch.requests import PreparedRequest, prepare_request
from agentmatch.scoring import Scorer
from agentmatch.splitting import split_request
from agentmatch.team import choose_team, part_values, uncovered_parts
from agentmatch.types import RequestPart, Team, TeamMember


def match_teams(scorer: Scorer, requests: Sequence[str], top_k: int) -> list[Team]:
    """Propose a team for each request; see `AgentMatcher.match_teams`.

    Args:
        scorer: Scores the agents.
        requests: Free texts.
        top_k: How many agents to propose for each at most.

    Returns:
        One team a request, in order.

    Raises:
        InvalidRequestError: A request is empty.
    """
    wholes = [prepare_request(request) for request in requests]
    parts = [split_request(request) for request in requests]
    # The whole request leads its parts; a request of one part is encoded once.
    prepared = [
        [whole, *(prepare_request(part.text) for part in own if len(own) > 1)]
        for whole, own in zip(wholes, parts, strict=True)
    ]
    vectors = scorer.encode([item for group in prepared for item in group])
    teams, start = [], 0
    for request, group, own in zip(requests, prepared, parts, strict=True):
        block = vectors[start : start + len(group)]
        start += len(group)
        teams.append(_team(scorer, request, group, block, own, top_k))
    return teams


def _team(
    scorer: Scorer,
    request: str,
    prepared: Sequence[PreparedRequest],
    vectors: NDArray[np.float32],
    parts: Sequence[RequestPart],
    top_k: int,
) -> Team:
    """Choose a team: the whole request is the first of `prepared`, its parts follow."""
    similarities, signals = scorer.signals(prepared, vectors)
    scores, confidences, none = scorer.judge(prepared, vectors, signals)
    refused = [scorer.refuses(float(value)) for value in none]
    several = len(parts) > 1
    # A request of one part is its own part.
    rows = slice(1, None) if several else slice(0, 1)
    similarities, confidences = similarities[rows], confidences[rows]
    values = part_values(scores[0], scores[rows]) if several else scores
    uncovered = uncovered_parts(values, refused[0], refused[rows])
    members = []
    for chosen in choose_team(scores[0], scores[rows], scorer.names, top_k):
        covered = [place for place in chosen.parts if place not in uncovered]
        if not covered:
            continue
        # Rank, score and confidence are those of the part where the agent is strongest.
        strongest = covered[int(values[covered, chosen.agent].argmax())]
        ranking = order(values[strongest], scorer.names, len(scorer.names))
        match = scorer.match(
            ranking.index(chosen.agent) + 1,
            chosen.agent,
            values[strongest],
            similarities[covered].max(axis=0),
            confidences[strongest],
        )
        members.append(TeamMember(match, tuple(parts[place] for place in covered)))
    return Team(
        request,
        tuple(members),
        prepared[0].warnings,
        tuple(parts[place] for place in sorted(uncovered)),
    )
