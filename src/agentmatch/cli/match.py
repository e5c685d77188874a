"""`agentmatch match` and `agentmatch explain`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from agentmatch.cli.options import (
    agents_option,
    index_option,
    json_option,
    model_option,
    notice,
    open_matcher,
    print_json,
    use_one_blas_thread,
)
from agentmatch.errors import InvalidRequestError
from agentmatch.types import Team

if TYPE_CHECKING:
    from agentmatch.matcher import AgentMatcher

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
@click.option(
    "--team",
    is_flag=True,
    help="Split a request of several jobs and propose one agent for each; -k limits them.",
)
@agents_option
@model_option
@index_option
@json_option
@click.pass_context
def match(
    context: click.Context,
    request: str,
    top_k: int,
    team: bool,
    agents: str | None,
    model: str,
    index_path: str | None,
    as_json: bool,
) -> None:
    """Rank the agents that fit REQUEST, with the lines that say so.

    With "-" for REQUEST, one request a line is read from standard input and each is
    answered at once with one line of JSON.
    """
    if request != "-":
        use_one_blas_thread()
    matcher = open_matcher(agents, model, index_path, context)
    if request == "-":
        failed = _stream(matcher, top_k, team)
        context.exit(1 if failed else 0)
    answer = matcher.match_team(request, top_k) if team else matcher.match(request, top_k)
    for warning in answer.warnings:
        notice(warning)
    if isinstance(answer, Team):
        for part in answer.uncovered:
            notice(f"no agent fits this part: {' '.join(part.text.split())}")
    from agentmatch.cli.render import answer_json, print_answer

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
    from agentmatch.cli.render import explanation_json, print_explanation

    if as_json:
        print_json(explanation_json(explanation))
        return
    from rich.console import Console

    print_explanation(explanation, Console())


def _stream(matcher: AgentMatcher, top_k: int, team: bool) -> int:
    """Answer the lines of standard input; return how many could not be answered."""
    from agentmatch.cli.render import answer_json

    ask = matcher.match_teams if team else matcher.match_many
    nothing: dict[str, object] = {"team" if team else "matches": []}
    failed = 0
    for lines in _available_lines(sys.stdin.fileno()):
        answers: dict[int, dict[str, object]] = {}
        valid = []
        for number, line in enumerate(lines):
            if line.strip():
                valid.append(number)
            else:
                answers[number] = {"request": line, **nothing, "error": "the line is empty"}
        try:
            found = ask([lines[number] for number in valid], top_k)
            answers.update(zip(valid, map(answer_json, found), strict=True))
        except InvalidRequestError:
            # One of them cannot be answered; find out which, without losing the others.
            for number in valid:
                try:
                    answers[number] = answer_json(ask([lines[number]], top_k)[0])
                except InvalidRequestError as error:
                    answers[number] = {"request": lines[number], **nothing, "error": str(error)}
        for number in range(len(lines)):
            failed += "error" in answers[number]
            print_json(answers[number], indent=None)
    return failed


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
