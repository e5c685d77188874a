"""The `agentmatch` command."""

from __future__ import annotations

import sys
from typing import Any

import click

from agentmatch.cli.catalogue import check, list_agents, show
from agentmatch.cli.evaluate import compare, evaluate
from agentmatch.cli.index import index, info
from agentmatch.cli.match import explain, match
from agentmatch.cli.tune import feedback, tune
from agentmatch.errors import AgentMatchError
from agentmatch.version import __version__


class _Group(click.Group):
    """Turn every expected failure into one line on stderr and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AgentMatchError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            # The reader of our output (head, a closed pager) has seen enough. Python
            # would complain once more when it flushes stdout at exit.
            sys.stdout = None
            ctx.exit(0)
        except OSError as error:
            raise click.ClickException(str(error)) from error


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog='Example: agentmatch match "Implement user authentication with JWT"',
)
@click.version_option(__version__, "--version", prog_name="agentmatch")
def main() -> None:
    """Find the agents that fit a task.

    Results go to stdout, notices to stderr. Exit status: 0 for an answer, 1 for a
    failure, 2 for wrong usage.
    """


for command in (
    match,
    explain,
    list_agents,
    show,
    check,
    index,
    info,
    evaluate,
    compare,
    tune,
    feedback,
):
    main.add_command(command)
