"""Lay out results: as JSON, and for people as tables (rich, loaded only for these)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentmatch.types import LINE_FIELDS, Team

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from agentmatch.types import Agent, Explanation, Match, Result

NARROW = 60
"""Columns below which evidence goes under the agent instead of beside it."""

TEAM_EVIDENCE = 1
"""Passages shown for each agent of a team; JSON holds all."""


def section_label(section: str) -> str:
    """Return a section's or signal's name as words."""
    return section.replace("_", " ")


def refusal(result: Result, min_confidence: float | None) -> str:
    """Say in a line why a request is refused."""
    if min_confidence is None:
        reason = f"confidence {result.confidence_none:.0%} that none does"
    else:
        best = result.near_misses[0]
        reason = f"{best.agent.name} is nearest with {best.confidence:.0%}"
    return f"no agent fits ({reason}); --min-confidence 0 accepts all"


def shorten(text: str, characters: int) -> str:
    """Return a text on one line, cut where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= characters else flat[: characters - 1] + "\u2026"


def print_result(result: Result, console: Console) -> None:
    """Print the matches of one request with their evidence, refused ones below them."""
    if result.matches:
        _print_matches(result.matches, console)
    if result.near_misses:
        if result.matches:
            console.print()
        console.print("[bold]Near misses[/bold]")
        _print_matches(result.near_misses, console)


def _print_matches(matches: Sequence[Match], console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    if console.width < NARROW:
        for match in matches:
            _print_narrow(match, console)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    table.add_column("agent", style="bold cyan", no_wrap=True)
    table.add_column("confidence", justify="right", no_wrap=True)
    table.add_column("because", overflow="fold", ratio=1)
    for match in matches:
        table.add_row(
            str(match.rank), escape(match.agent.name), _percent(match.confidence), _evidence(match)
        )
    console.print(table)


def _percent(probability: float) -> str:
    return f"{probability:.0%}"


def print_team(team: Team, console: Console) -> None:
    """Print the parts of a request, the agent that covers each, and its evidence."""
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

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
    from rich.padding import Padding
    from rich.text import Text

    console.print(
        Text.assemble(
            (f"{match.rank} ", "dim"),
            (match.agent.name, "bold cyan"),
            f" {_percent(match.confidence)}",
        )
    )
    console.print(Padding(_evidence(match), (0, 0, 0, 2)))


def _evidence(match: Match, limit: int | None = None) -> Table:
    """Lay out the first passages of a match, the similarity first."""
    from rich.table import Table
    from rich.text import Text

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
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    match = explanation.match
    console.print(
        Text.assemble(
            (match.agent.name, "bold cyan"),
            f" ranks {match.rank} of {explanation.agents} with score {match.score:.3f}",
        )
    )
    console.print(
        f"Confidence {_percent(match.confidence)} that it is a right agent, "
        f"{_percent(explanation.confidence_none)} that no agent is."
    )
    if explanation.abstained:
        console.print(
            "So the answer is that no agent fits: even the best similarities and shared words "
            "are weak for a request that some agent fits."
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
    from rich.markup import escape
    from rich.table import Table

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
    from rich.markup import escape
    from rich.text import Text

    console.print(Text.assemble((agent.name, "bold cyan"), f"  {agent.title}"))
    if agent.path is not None:
        console.print(Text(str(agent.path), style="dim"))
    if agent.description:
        console.print()
        console.print(Text(agent.description))
    for section in (*LINE_FIELDS, "tags", "tools"):
        lines = getattr(agent, section)
        if lines:
            console.print(f"\n[bold]{section_label(section).capitalize()}[/bold]")
            for line in lines:
                console.print(Text(f"- {line}"))
    if agent.model:
        console.print(f"\n[bold]Model[/bold] {escape(agent.model)}")
