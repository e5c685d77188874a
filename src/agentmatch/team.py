"""Choose the agents that together do a request of several jobs. Pure.

A request comes in parts (see `agentmatch.splitting`). An agent's value for a part is its
score for the part, mixed with its score for the whole request, which knows the context
that a part lacks; values below a floor count as the floor, so that a sentence of context,
which no agent fits well, asks for nobody. A team is worth the sum over parts of its best
member's value: the facility location function, which greedy choice maximises well
(Nemhauser, Wolsey and Fisher, 1978). So an agent joins only where it is better than all
members at some part, and by enough.

The floor is a score, so its fitted value belongs to the default encoder and weights; with
another encoder teams may come out larger or smaller.

The team starts with the first agent of the plain ranking and takes in the agent that adds
most, while that is enough; a member that the others have made superfluous leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agentmatch.ranking import TIE_TOLERANCE, Scores, order

WHOLE_SHARE = 0.4
"""Share of the whole request's score in an agent's value for a part, 0 to 1."""

FLOOR = 0.34
"""Value below which an agent does not fit a part well enough to be asked in for it."""

MIN_GAIN = 0.02
"""What an agent must add to a team's worth, in units of score."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold the constants of the choice, for study and fitting.

    They are fitted on train and dev requests: the highest mean F1 of sets among settings
    that propose exactly one agent for at least 85 % of the requests that one agent fits
    (`python -m benchmarks team`).

    Attributes:
        whole_share: See `WHOLE_SHARE`.
        floor: See `FLOOR`.
        min_gain: See `MIN_GAIN`.
    """

    whole_share: float = WHOLE_SHARE
    floor: float = FLOOR
    min_gain: float = MIN_GAIN


DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Assignment:
    """Name a member of a team by position.

    Attributes:
        agent: The agent's position.
        parts: The positions of the parts that it covers, ascending, one at least.
    """

    agent: int
    parts: tuple[int, ...]


def part_values(whole: Scores, parts: Scores, settings: Settings = DEFAULTS) -> Scores:
    """Mix the scores of parts with that of the whole request.

    Args:
        whole: float32 [agents], scores for the whole request.
        parts: float32 [parts, agents], scores for each part.
        settings: The constants.

    Returns:
        float32 [parts, agents].
    """
    share = np.float32(settings.whole_share)
    return np.asarray((1 - share) * parts + share * whole, dtype=np.float32)


def choose_team(
    whole: Scores,
    parts: Scores,
    names: Sequence[str],
    top_k: int,
    settings: Settings = DEFAULTS,
) -> list[Assignment]:
    """Choose a small team and say which member covers which part.

    Args:
        whole: float32 [agents], scores for the whole request, higher is better.
        parts: float32 [parts, agents], scores for each part; one part at least.
        names: The agents' names, which decide between equal ones.
        top_k: How many members at most.
        settings: The constants.

    Returns:
        The members in the order of the first part that each covers. Every part has one
        member. With one part, the member is the first agent for the whole request.

    Example:
        >>> whole = np.array([0.5, 0.4, 0.1], dtype=np.float32)
        >>> parts = np.array([[0.6, 0.1, 0.1], [0.1, 0.6, 0.2]], dtype=np.float32)
        >>> choose_team(whole, parts, ["baker", "roofer", "smith"], 5)
        [Assignment(agent=0, parts=(0,)), Assignment(agent=1, parts=(1,))]
    """
    team = order(whole, names, 1)
    if len(parts) == 1:
        return [Assignment(team[0], (0,))]
    mixed = part_values(whole, parts, settings)
    values = np.maximum(mixed, np.float32(settings.floor))
    # Worth less `min_gain` a member never falls, so this ends by itself; the bound is for
    # rounding alone.
    for _ in range(len(parts) + top_k):
        if len(team) >= top_k:
            break
        gains = np.maximum(values - values[:, team].max(axis=1, keepdims=True), 0).sum(axis=0)
        best = order(gains, names, 1)[0]
        if gains[best] < settings.min_gain:
            break
        team = [*_without_superfluous(values, team, best, settings.min_gain), best]
    covered: dict[int, list[int]] = {}
    members = sorted(team, key=lambda agent: names[agent])
    for part, row in enumerate(mixed[:, members]):
        # The first by name among equals, whatever noise of the seventh decimal says.
        chosen = members[int(np.argmax(row >= row.max() - TIE_TOLERANCE))]
        covered.setdefault(chosen, []).append(part)
    return [Assignment(agent, tuple(positions)) for agent, positions in covered.items()]


def uncovered_parts(
    values: Scores,
    whole_refused: bool,
    refused: Sequence[bool],
    settings: Settings = DEFAULTS,
) -> frozenset[int]:
    """Find the parts that no agent fits.

    A part is uncovered where the probability that no agent fits is above the bar and no
    agent's value for it reaches the floor, which the context may help it to. A request
    that some agent fits as a whole keeps all its parts where every part would be left.

    Args:
        values: float32 [parts, agents], what `part_values` returned.
        whole_refused: Whether the whole request is refused.
        refused: Whether each part is refused.
        settings: The constants.

    Returns:
        The positions of the parts.
    """
    if len(values) == 1:
        return frozenset({0} if whole_refused else ())
    found = frozenset(
        place
        for place, (row, is_refused) in enumerate(zip(values, refused, strict=True))
        if is_refused and row.max() < settings.floor
    )
    return found if whole_refused or len(found) < len(values) else frozenset()


def _without_superfluous(
    values: Scores, team: Sequence[int], newcomer: int, min_gain: float
) -> list[int]:
    """Return the members, in order, that still add enough once the newcomer is in."""
    kept = list(team)
    for member in team:
        rest = [newcomer, *(other for other in kept if other != member)]
        others = values[:, rest].max(axis=1)
        if np.maximum(values[:, member] - others, 0).sum() < min_gain:
            kept.remove(member)
    return kept
