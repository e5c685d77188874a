"""The `agentmatch` command."""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from agentmatch.errors import AgentMatchError
from agentmatch.version import __version__

COMMANDS = {
    "check": "catalogue:check",
    "compare": "evaluate:compare",
    "evaluate": "evaluate:evaluate",
    "explain": "match:explain",
    "feedback": "tune:feedback",
    "index": "index:index",
    "info": "index:info",
    "list": "catalogue:list_agents",
    "match": "match:match",
    "serve": "serve:serve",
    "show": "catalogue:show",
    "tune": "tune:tune",
}
"""Each command's module and function; a module is loaded when its command is called."""


class _Group(click.Group):
    """Load commands late, and turn every expected failure into one line and status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"agentmatch.cli.{module}"), function)
        return command

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


def run() -> NoReturn:
    """Run the command line as a program of its own.

    Ends the process without Python's clean-up, which takes a fifth of a short command's
    time: it unloads libraries and unmaps files, as the system does anyway. Nothing is lost,
    for all files are closed and all locks released where they were opened, and what was
    printed is flushed here.
    """
    try:
        main()
        status: str | int | None = 0
    except SystemExit as end:
        status = end.code
    for stream in (sys.stdout, sys.stderr):
        # It is None where nothing can be printed, or nobody reads any more.
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))
