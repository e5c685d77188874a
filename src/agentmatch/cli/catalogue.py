"""`agentmatch list`, `agentmatch show` and `agentmatch check`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from agentmatch.cli.options import (
    agents_option,
    json_option,
    notice,
    print_json,
    report_problems,
    resolve_catalogue,
)
from agentmatch.errors import UnknownAgentError


@click.command("list", epilog="Example: agentmatch list --agents builtin")
@agents_option
@json_option
def list_agents(agents: str | None, as_json: bool) -> None:
    """List the agents of a catalogue."""
    from agentmatch.catalogue import load_catalogue
    from agentmatch.passages import passages_of

    path = resolve_catalogue(agents)
    catalogue = load_catalogue(path)
    report_problems(catalogue.problems, path)
    rows: list[dict[str, Any]] = [
        {
            "name": agent.name,
            "title": agent.title,
            "path": None if agent.path is None else str(agent.path),
            "passages": dict(Counter(passage.section for passage in passages_of(agent))),
        }
        for agent in catalogue.agents
    ]
    if as_json:
        print_json(rows)
        return
    from rich.console import Console

    from agentmatch.cli.render import print_agents

    print_agents(rows, Console())


@click.command(epilog="Example: agentmatch show backend-engineer --agents builtin")
@click.argument("name")
@agents_option
@json_option
def show(name: str, agents: str | None, as_json: bool) -> None:
    """Show everything that was read of the agent NAME."""
    from agentmatch.catalogue import load_catalogue
    from agentmatch.records import agent_to_json

    path = resolve_catalogue(agents)
    catalogue = load_catalogue(path)
    found = [agent for agent in catalogue.agents if agent.name == name]
    if not found:
        from agentmatch.mentions import no_such_name

        raise UnknownAgentError(path, no_such_name(name, [agent.name for agent in catalogue]))
    if len(found) > 1:
        others = ", ".join(str(agent.path) for agent in found[1:])
        notice(f"{len(found)} files define {name!r}; this is the first, the others: {others}")
    if as_json:
        print_json(agent_to_json(found[0]))
        return
    from rich.console import Console

    from agentmatch.cli.render import print_agent

    print_agent(found[0], Console())


@click.command(epilog="Example: agentmatch check agents --strict")
@click.argument("directory", required=False)
@json_option
@click.option("--strict", is_flag=True, help="Exit 1 on warnings too.")
@click.pass_context
def check(context: click.Context, directory: str | None, as_json: bool, strict: bool) -> None:
    """Check the agent files of DIRECTORY (default: as for 'match').

    Reports files that cannot be read, broken front matter, missing sections, agents of
    one name, agents that are nearly the same, and examples that two agents claim.
    Exits 1 when there are errors.
    """
    from agentmatch.catalogue import find_line, load_catalogue
    from agentmatch.checking import check_catalogue

    path = resolve_catalogue(directory)
    catalogue = load_catalogue(path)
    problems = check_catalogue(catalogue, find_line=find_line)
    counts = Counter(problem.severity for problem in problems)
    failed = bool(counts["error"] or (strict and counts["warning"]))
    if as_json:
        print_json(
            {
                "path": str(catalogue.path),
                "agents": len(catalogue),
                "errors": counts["error"],
                "warnings": counts["warning"],
                "notes": counts["note"],
                "problems": [
                    {
                        "severity": problem.severity,
                        "code": problem.code,
                        "message": problem.message,
                        "path": None if problem.path is None else str(problem.path),
                        "line": problem.line,
                    }
                    for problem in problems
                ],
            }
        )
    else:
        colours = {"error": "red", "warning": "yellow", "note": "blue"}
        for problem in problems:
            label = click.style(problem.severity, fg=colours[problem.severity], bold=True)
            place = f"{problem.place}: " if problem.place else ""
            click.echo(f"{place}{label}: {problem.message} [{problem.code}]")
        click.echo(
            f"{len(catalogue)} agents: {counts['error']} errors, {counts['warning']} warnings, "
            f"{counts['note']} notes"
        )
    context.exit(1 if failed else 0)
