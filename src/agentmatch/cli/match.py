"""`agentmatch match` and `agentmatch explain`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import click

from agentmatch.cli.options import (
    agents_option,
    index_option,
    json_option,
    min_confidence_option,
    model_option,
    notice,
    open_matcher,
    print_json,
    server_option,
    server_to_ask,
    use_one_blas_thread,
)
from agentmatch.errors import InvalidRequestError
from agentmatch.types import Team

if TYPE_CHECKING:
    from agentmatch.matcher import AgentMatcher
    from agentmatch.server.client import ServerClient
    from agentmatch.types import Result

    Asker: TypeAlias = Callable[[Sequence[str]], Sequence[Result | Team]]

_READ_BYTES = 1 << 16


@click.command(
    epilog='Example: agentmatch match "our checkout page takes 5 seconds" -k 3 --agents builtin'
)
@click.argument("request")
@click.option(
    "--top-k",
    "-k",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How many agents to return.",
)
@min_confidence_option
@click.option(
    "--team",
    is_flag=True,
    help="Split a request of several jobs and propose one agent for each; -k limits them.",
)
@agents_option
@model_option
@index_option
@server_option
@json_option
@click.pass_context
def match(
    context: click.Context,
    request: str,
    top_k: int,
    min_confidence: float | None,
    team: bool,
    agents: str | None,
    model: str,
    index_path: str | None,
    server: str | None,
    as_json: bool,
) -> None:
    """Rank the agents that fit REQUEST, with the lines that say so.

    Where it is likely that no agent fits, that is the answer, with the nearest agents
    as near misses.

    With "-" for REQUEST, one request a line is read from standard input and each is
    answered at once with one line of JSON.
    """
    matcher: AgentMatcher | ServerClient
    url = server_to_ask(server, context)
    if team and min_confidence is not None:
        raise click.UsageError("--min-confidence is no bar for teams; leave it or --team out")
    if url is not None:
        from agentmatch.server.client import ServerClient

        matcher = ServerClient(url)
        context.call_on_close(matcher.close)
    else:
        if request != "-":
            use_one_blas_thread()
        matcher = open_matcher(agents, model, index_path, context)
    if request == "-":
        failed = _stream(_asker(matcher, top_k, min_confidence, team), team)
        context.exit(1 if failed else 0)
    from agentmatch.answers import answer_json
    from agentmatch.cli.render import print_answer, refusal

    (answer,) = _asker(matcher, top_k, min_confidence, team)([request])
    for warning in answer.warnings:
        notice(warning)
    if isinstance(answer, Team):
        for part in answer.uncovered:
            notice(f"no agent fits this part: {' '.join(part.text.split())}")
    elif answer.abstained:
        notice(refusal(answer, min_confidence))
    if as_json:
        print_json(answer_json(answer))
        return
    from rich.console import Console

    print_answer(answer, Console())


@click.command(
    epilog='Example: agentmatch explain "rotate the TLS certificate" network-engineer -a builtin'
)
@click.argument("request")
@click.argument("agent")
@agents_option
@model_option
@index_option
@json_option
@click.pass_context
def explain(
    context: click.Context,
    request: str,
    agent: str,
    agents: str | None,
    model: str,
    index_path: str | None,
    as_json: bool,
) -> None:
    """Say why AGENT ranks where it does for REQUEST, and what is ahead of it."""
    use_one_blas_thread()
    matcher = open_matcher(agents, model, index_path, context)
    explanation = matcher.explain(request, agent)
    if as_json:
        from agentmatch.answers import explanation_json

        print_json(explanation_json(explanation))
        return
    from rich.console import Console

    from agentmatch.cli.render import print_explanation

    print_explanation(explanation, Console())


def _asker(
    matcher: AgentMatcher | ServerClient, top_k: int, min_confidence: float | None, team: bool
) -> Asker:
    """Return what answers requests with rankings or, where asked for, with teams."""
    if not team:
        return lambda requests: matcher.match_many(requests, top_k, min_confidence=min_confidence)
    # No server is asked for teams.
    local = cast("AgentMatcher", matcher)
    return lambda requests: local.match_teams(requests, top_k)


def _stream(ask: Asker, team: bool) -> int:
    """Answer the lines of standard input; return how many could not be answered."""
    from agentmatch.answers import answer_json

    failed = 0
    for lines in _available_lines(sys.stdin.fileno()):
        answers: dict[int, dict[str, object]] = {}
        valid = []
        for number, line in enumerate(lines):
            if line.strip():
                valid.append(number)
            else:
                answers[number] = _failure(line, "the line is empty", team)
        try:
            found = ask([lines[number] for number in valid])
            answers.update(zip(valid, map(answer_json, found), strict=True))
        except InvalidRequestError:
            # One of them cannot be answered; find out which, without losing the others.
            for number in valid:
                answers[number] = _answer(ask, lines[number], team)
        for number in range(len(lines)):
            failed += "error" in answers[number]
            print_json(answers[number], indent=None)
    return failed


def _answer(ask: Asker, line: str, team: bool) -> dict[str, object]:
    from agentmatch.answers import answer_json

    try:
        return answer_json(ask([line])[0])
    except InvalidRequestError as error:
        return _failure(line, str(error), team)


def _failure(line: str, error: str, team: bool) -> dict[str, object]:
    """Answer a line that cannot be asked; that is no finding that no agent fits."""
    nothing = ("team", "uncovered") if team else ("matches", "near_misses")
    return {"request": line, **{key: [] for key in nothing}, "error": error}


def _available_lines(descriptor: int) -> Iterator[list[str]]:
    """Yield the lines that are there to read, without waiting for more.

    A program that writes one request and waits gets its answer; one that writes
    thousands gets them encoded in batches, in constant memory.
    """
    rest = b""
    while block := os.read(descriptor, _READ_BYTES):
        *complete, rest = (rest + block).split(b"\n")
        if complete:
            yield [_decode(line) for line in complete]
    if rest:
        yield [_decode(rest)]


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
