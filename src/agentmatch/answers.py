"""Turn answers into plain JSON values and back: what `--json` and the server give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentmatch.types import Agent, Evidence, Explanation, Match, RequestPart, Result, Team


def match_json(match: Match) -> dict[str, Any]:
    """Return a match as JSON values."""
    return {
        "rank": match.rank,
        "agent": match.agent.name,
        "title": match.agent.title,
        "path": None if match.agent.path is None else str(match.agent.path),
        "score": match.score,
        "confidence": match.confidence,
        "evidence": [
            {
                "section": evidence.section,
                "text": evidence.text,
                "similarity": evidence.similarity,
            }
            for evidence in match.evidence
        ],
    }


def result_json(result: Result) -> dict[str, Any]:
    """Return an answer as JSON values."""
    return {
        "request": result.request,
        "abstained": result.abstained,
        "confidence_none": result.confidence_none,
        "matches": [match_json(match) for match in result.matches],
        "near_misses": [match_json(match) for match in result.near_misses],
        "warnings": list(result.warnings),
    }


def result_from_json(document: dict[str, Any]) -> Result:
    """Make an answer of what `result_json` returned.

    Args:
        document: The JSON values.

    Returns:
        The answer; of each agent only name, title and path are known.

    Raises:
        KeyError, TypeError: Something else returned it.
    """
    return Result(
        document["request"],
        tuple(map(_match_from_json, document["matches"])),
        tuple(document["warnings"]),
        tuple(map(_match_from_json, document["near_misses"])),
        document["confidence_none"],
    )


def _match_from_json(match: dict[str, Any]) -> Match:
    return Match(
        match["rank"],
        Agent(
            match["agent"],
            title=match["title"],
            path=None if match["path"] is None else Path(match["path"]),
        ),
        match["score"],
        tuple(Evidence(**evidence) for evidence in match["evidence"]),
        match["confidence"],
    )


def team_json(team: Team) -> dict[str, Any]:
    """Return a team as JSON values."""
    return {
        "request": team.request,
        "team": [
            {
                **match_json(member.match),
                "part": member.part,
                "parts": [_part_json(part) for part in member.parts],
            }
            for member in team
        ],
        "uncovered": [_part_json(part) for part in team.uncovered],
        "warnings": list(team.warnings),
    }


def _part_json(part: RequestPart) -> dict[str, Any]:
    return {"text": part.text, "start": part.start, "end": part.end}


def answer_json(answer: Result | Team) -> dict[str, Any]:
    """Return a ranking or a team as JSON values."""
    return team_json(answer) if isinstance(answer, Team) else result_json(answer)


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON values."""
    return {
        "request": explanation.request,
        "agents": explanation.agents,
        "named": explanation.named,
        "abstained": explanation.abstained,
        "confidence_none": explanation.confidence_none,
        **match_json(explanation.match),
        "signals": [
            {
                "signal": signal.name,
                "value": round(signal.value, 6),
                "share": round(signal.share, 6),
                "rank": signal.rank,
            }
            for signal in explanation.signals
        ],
        "rivals": [
            {
                **match_json(rival.match),
                "margins": {name: round(margin, 6) for name, margin in rival.margins.items()},
            }
            for rival in explanation.rivals
        ],
    }
