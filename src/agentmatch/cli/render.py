"""Lay out results for people: tables and panels (rich)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agentmatch.types import Team

if TYPE_CHECKING:
    from agentmatch.types import Agent, Explanation, Match, RequestPart, Result

NARROW = 60
"""Columns below which evidence goes under the agent instead of beside it."""

TEAM_EVIDENCE = 1
"""Passages shown for each agent of a team; JSON holds all."""


def section_label(section: str) -> str:
    """Return a section's or signal's name as words."""
    return section.replace("_", " ")


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


def print_result(result: Result, console: Console) -> None:
    """Print the matches of one request with their evidence."""
    if console.width < NARROW:
        for match in result.matches:
            _print_narrow(match, console)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    table.add_column("agent", style="bold cyan", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("because", overflow="fold", ratio=1)
    for match in result.matches:
        table.add_row(
            str(match.rank), escape(match.agent.name), f"{match.score:.2f}", _evidence(match)
        )
    console.print(table)


def print_team(team: Team, console: Console) -> None:
    """Print the parts of a request, the agent that covers each, and its evidence."""
    if console.width < NARROW:
        for member in team:
            console.print(Text(member.part, style="italic"))
            console.print(Text.assemble(" -> ", (member.agent.name, "bold cyan")))
            console.print(Padding(_evidence(member.match, TEAM_EVIDENCE), (0, 0, 0, 4)))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("part", overflow="fold", ratio=2)
    table.add_column("agent", style="bold cyan", no_wrap=True)
    table.add_column("because", overflow="fold", ratio=3)
    for member in team:
        table.add_row(
            Text(member.part),
            escape(member.agent.name),
            _evidence(member.match, TEAM_EVIDENCE),
        )
    console.print(table)


def print_answer(answer: Result | Team, console: Console) -> None:
    """Print a ranking or a team."""
    if isinstance(answer, Team):
        print_team(answer, console)
    else:
        print_result(answer, console)


def _print_narrow(match: Match, console: Console) -> None:
    console.print(
        Text.assemble(
            (f"{match.rank} ", "dim"), (match.agent.name, "bold cyan"), f" {match.score:.2f}"
        )
    )
    console.print(Padding(_evidence(match), (0, 0, 0, 2)))


def _evidence(match: Match, limit: int | None = None) -> Table:
    """Lay out the first passages of a match, the similarity first."""
    lines = Table.grid(padding=(0, 1))
    lines.add_column(justify="right", no_wrap=True)
    lines.add_column(overflow="fold")
    for number, evidence in enumerate(match.evidence[:limit]):
        best = number == 0
        lines.add_row(
            Text(f"{evidence.similarity:.2f}", style="green" if best else "dim"),
            Text.assemble(
                (f"{section_label(evidence.section)}: ", "italic" if best else "italic dim"),
                (evidence.text, "" if best else "dim"),
            ),
        )
    return lines


def print_explanation(explanation: Explanation, console: Console) -> None:
    """Print why an agent ranks where it does."""
    match = explanation.match
    console.print(
        Text.assemble(
            (match.agent.name, "bold cyan"),
            f" ranks {match.rank} of {explanation.agents} with score {match.score:.3f}",
        )
    )
    if explanation.named:
        console.print("The request names this agent, which puts it first.")
    signals = Table(box=None, padding=(0, 2, 0, 0), title="What makes up the score")
    signals.title_justify = "left"
    signals.title_style = "bold"
    for name in ("signal", "value", "adds", "rank by it"):
        signals.add_column(name, justify="left" if name == "signal" else "right")
    for signal in explanation.signals:
        signals.add_row(
            section_label(signal.name),
            f"{signal.value:.3f}",
            f"{signal.share:.3f}",
            str(signal.rank),
        )
    console.print()
    console.print(signals)
    console.print("\n[bold]Passages nearest to the request[/bold]")
    console.print(_evidence(match))
    ahead = match.rank > 1
    console.print(
        f"\n[bold]{'Agents ahead of it' if ahead else 'The agent that follows it'}[/bold]"
    )
    for rival in explanation.rivals:
        gains = sorted(rival.margins.items(), key=lambda item: -item[1] if ahead else item[1])
        reasons = ", ".join(
            f"{section_label(name)} {margin:+.3f}" for name, margin in gains[:3] if margin
        )
        console.print(
            Text.assemble(
                f"{rival.match.rank:>3}  ",
                (rival.match.agent.name, "bold cyan"),
                f" {rival.match.score:.3f}  ",
                (f"({reasons})" if reasons else "(equal; names decide)", "dim"),
            )
        )
        if rival.match.evidence:
            best = rival.match.evidence[0]
            line = Text(f"{section_label(best.section)}: {best.text}", style="dim")
            console.print(Padding(line, (0, 0, 0, 5)))


def print_agents(agents: list[dict[str, Any]], console: Console) -> None:
    """Print the agents of a catalogue, one a line."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("agent", style="bold cyan", no_wrap=True)
    table.add_column("passages", justify="right")
    table.add_column("title", overflow="ellipsis", no_wrap=True, ratio=1)
    for agent in agents:
        table.add_row(
            escape(agent["name"]), str(sum(agent["passages"].values())), escape(agent["title"])
        )
    console.print(table)


def print_agent(agent: Agent, console: Console) -> None:
    """Print everything that was read of one agent."""
    console.print(Text.assemble((agent.name, "bold cyan"), f"  {agent.title}"))
    if agent.path is not None:
        console.print(Text(str(agent.path), style="dim"))
    if agent.description:
        console.print()
        console.print(Text(agent.description))
    sections = (
        "when_to_use",
        "example_tasks",
        "capabilities",
        "expertise",
        "purpose",
        "workflow",
        "best_practices",
        "success_metrics",
        "tags",
        "tools",
    )
    for section in sections:
        lines = getattr(agent, section)
        if lines:
            console.print(f"\n[bold]{section_label(section).capitalize()}[/bold]")
            for line in lines:
                console.print(Text(f"- {line}"))
    if agent.model:
        console.print(f"\n[bold]Model[/bold] {escape(agent.model)}")
