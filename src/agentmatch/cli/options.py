"""What several commands share: options, the default catalogue, notices, progress."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agentmatch.encoders.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from agentmatch.index import Progress
    from agentmatch.matcher import AgentMatcher
    from agentmatch.types import Problem

Command = TypeVar("Command", bound=Callable[..., Any])

AGENTS_VARIABLE = "AGENTMATCH_AGENTS"
SERVER_VARIABLE = "AGENTMATCH_SERVER"
_BLAS_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
DEFAULT_CATALOGUES = ("agents", ".claude/agents", "~/.claude/agents")

agents_option = click.option(
    "--agents",
    "-a",
    metavar="PATH",
    help="Folder of agent files, one file, an agents.jsonl, or 'builtin'.  [default: "
    f"${AGENTS_VARIABLE}, else the first of ./agents, ./.claude/agents, ~/.claude/agents]",
)
model_option = click.option(
    "--model",
    "-m",
    metavar="MODEL",
    default=DEFAULT_MODEL,
    show_default=True,
    help="Embedding model: a folder, or a hub name that is already in the local cache.",
)
index_option = click.option(
    "--index",
    "index_path",
    metavar="PATH",
    help="Use an index that 'agentmatch index' built, instead of --agents and --model.",
)
server_option = click.option(
    "--server",
    metavar="URL",
    envvar=SERVER_VARIABLE,
    help="Ask a running 'agentmatch serve', which has its own agents and model.  "
    f"[default: ${SERVER_VARIABLE}, unless --agents, --model, --index or --team is given]",
)
min_confidence_option = click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Accept only agents of at least this confidence, 0 to 1; 0 accepts all.  [default: "
    "accept all unless it is likely that no agent fits]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def resolve_catalogue(agents: str | None) -> str:
    """Return the catalogue to use.

    Args:
        agents: What the user asked for, or None.

    Returns:
        That, or the environment's, or the first default folder that exists.

    Raises:
        click.UsageError: Nothing was asked for and there is no default folder.
    """
    chosen = agents or os.environ.get(AGENTS_VARIABLE)
    if chosen:
        return chosen
    for candidate in DEFAULT_CATALOGUES:
        if Path(candidate).expanduser().is_dir():
            return str(Path(candidate).expanduser())
    raise click.UsageError(
        f"there is no agents folder here (looked for {', '.join(DEFAULT_CATALOGUES)}); give one "
        "with --agents PATH, or try the agents that come along: --agents builtin"
    )


def open_matcher(
    agents: str | None, model: str, index_path: str | None, context: click.Context
) -> AgentMatcher:
    """Return the matcher that the shared options ask for, with notices on stderr.

    Raises:
        click.UsageError: Options contradict each other.
    """
    from agentmatch.encoders import load_encoder
    from agentmatch.matcher import AgentMatcher

    show_notices()
    if index_path is not None:
        refuse_with_index(agents, context)
        return AgentMatcher.load(index_path)
    path = resolve_catalogue(agents)
    with encoding_progress() as progress:
        matcher = AgentMatcher.from_directory(path, encoder=load_encoder(model), progress=progress)
    report_problems(matcher.problems, path)
    return matcher


def refuse_with_index(agents: str | None, context: click.Context) -> None:
    """Raise a usage error where --agents or --model stands beside --index."""
    if agents is not None or _is_given(context, "model"):
        raise click.UsageError("--index brings its own agents and model; leave out the others")


def server_to_ask(server: str | None, context: click.Context) -> str | None:
    """Return the address of the server to ask, or None to answer here.

    Raises:
        click.UsageError: --server stands beside an option that the server decides, or --team.
    """
    if _is_given(context, "team"):
        if _is_given(context, "server"):
            raise click.UsageError("a server proposes no teams; leave out --server or --team")
        return None
    decided = [name for name in ("agents", "model", "index_path") if _is_given(context, name)]
    if server is None or not decided:
        return server
    if _is_given(context, "server"):
        option = decided[0].removesuffix("_path")
        raise click.UsageError(f"--server has its own agents and model; leave out --{option}")
    return None


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def use_one_blas_thread() -> None:
    """Let NumPy, once imported, multiply matrices with one thread, unless told otherwise.

    For commands that encode one request: starting threads takes longer than they save,
    and on a busy machine they wait for each other.
    """
    if "numpy" not in sys.modules:
        for variable in _BLAS_THREADS:
            os.environ.setdefault(variable, "1")


def report_problems(problems: tuple[Problem, ...], path: str) -> None:
    """Say on stderr that files of a catalogue have errors."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        notice(f"{errors[0]}{more}; see: agentmatch check {path}")


def notice(text: str) -> None:
    """Print a line for the user, not for a program, on stderr."""
    click.echo(f"agentmatch: {text}", err=True)


def show_notices() -> None:
    """Print what the library has to say on stderr."""
    logger = logging.getLogger("agentmatch")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("agentmatch: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False


@contextmanager
def encoding_progress(description: str = "Encoding passages") -> Iterator[Progress | None]:
    """Show a bar on stderr while something is encoded, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(description, total=None, visible=False)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield progress


def print_json(document: Any, *, indent: int | None = 2) -> None:
    """Print a document as JSON on stdout, in the characters of its languages."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    # A lone surrogate from a file's broken bytes cannot be printed as it is.
    click.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"))
