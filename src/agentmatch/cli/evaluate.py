"""`agentmatch evaluate` and `agentmatch compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentmatch.cli.options import (
    agents_option,
    encoding_progress,
    index_option,
    json_option,
    min_confidence_option,
    model_option,
    notice,
    open_matcher,
    print_json,
)

if TYPE_CHECKING:
    from agentmatch.evaluation.runs import Run


def _minimums(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, float], ...]:
    """Read each METRIC=VALUE of --min."""
    if not values:
        return ()
    from agentmatch.evaluation.metrics import METRICS, TEAM_METRICS

    known = (*METRICS, *TEAM_METRICS)

    minimums = []
    for value in values:
        metric, _, number = (part.strip().lower() for part in value.partition("="))
        if metric not in known:
            raise click.BadParameter(f"{metric!r} is no metric; one of {', '.join(known)}")
        try:
            minimum = float(number)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not like accuracy@1=0.8") from None
        if not 0 <= minimum <= 1:
            raise click.BadParameter(f"{number} is not between 0 and 1")
        minimums.append((metric, minimum))
    return tuple(minimums)


@click.command(
    epilog="Example: agentmatch evaluate -a builtin --requests requests.jsonl --split test "
    "-o run.json --min accuracy@1=0.7"
)
@agents_option
@click.option(
    "--requests",
    metavar="FILE",
    help="Labelled requests: JSON lines with text and agents, or a table (.csv, .tsv).",
)
@click.option("--split", metavar="NAME", help="Use only this part of the requests.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Use N requests drawn at random."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Chooses the requests of --limit and the samples behind the intervals.",
)
@click.option(
    "--top-k",
    "-k",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Agents to keep for each request; ten at least are ranked.",
)
@min_confidence_option
@index_option
@model_option
@click.option(
    "--leave-one-out",
    is_flag=True,
    help="Instead of --requests, ask each example task while its agent does without it.",
)
@click.option(
    "--team", is_flag=True, help="Also score the team that 'match --team' proposes for each."
)
@click.option("--output", "-o", metavar="RUN.json", help="Write the run, to compare later.")
@click.option(
    "--min",
    "minimums",
    callback=_minimums,
    multiple=True,
    metavar="METRIC=VALUE",
    help="Exit 1 where the metric is below the value (0 to 1); repeatable.",
)
@click.option("--trec", metavar="DIR", help="Write run.txt and qrels.txt in trec_eval's formats.")
@click.option("--markdown", metavar="FILE", help="Write a report in Markdown.")
@click.option("--report", metavar="FILE.html", help="Write a report as one HTML file.")
@json_option
@click.pass_context
def evaluate(
    context: click.Context,
    agents: str | None,
    requests: str | None,
    split: str | None,
    limit: int | None,
    seed: int,
    top_k: int,
    min_confidence: float | None,
    index_path: str | None,
    model: str,
    leave_one_out: bool,
    team: bool,
    output: str | None,
    minimums: tuple[tuple[str, float], ...],
    trec: str | None,
    markdown: str | None,
    report: str | None,
    as_json: bool,
) -> None:
    """Measure how well requests reach the agents that should take them."""
    if leave_one_out == (requests is not None):
        raise click.UsageError("give either --requests FILE or --leave-one-out")
    if split is not None and requests is None:
        raise click.UsageError("--split chooses among --requests")
    if min_confidence is not None and leave_one_out:
        raise click.UsageError(
            "--min-confidence is a bar for --requests; examples are all answered"
        )
    if team and requests is None:
        raise click.UsageError("--team needs --requests")
    run = _run(
        context,
        agents,
        requests,
        split,
        limit,
        seed,
        top_k,
        min_confidence,
        index_path,
        model,
        team,
    )
    if output is not None:
        run.save(output)
        notice(f"run saved in {output}")
    if trec is not None:
        from agentmatch.evaluation.trec import write_trec

        write_trec(run, trec)
        notice(f"run.txt and qrels.txt saved in {trec}")
    _write_reports(run, markdown, report)
    _print_run(run, as_json)
    _require_minimums(context, run, minimums)


def _run(
    context: click.Context,
    agents: str | None,
    requests: str | None,
    split: str | None,
    limit: int | None,
    seed: int,
    top_k: int,
    min_confidence: float | None,
    index_path: str | None,
    model: str,
    team: bool,
) -> Run:
    from agentmatch.evaluation.evaluate import evaluate as evaluate_requests
    from agentmatch.evaluation.leave_one_out import leave_one_out
    from agentmatch.evaluation.request_sets import read_requests

    if requests is None:
        matcher = open_matcher(agents, model, index_path, context)
        with encoding_progress("Encoding examples") as progress:
            return leave_one_out(matcher, top_k=top_k, limit=limit, seed=seed, progress=progress)
    labelled = read_requests(requests, split=split, limit=limit, seed=seed)
    matcher = open_matcher(agents, model, index_path, context)
    with encoding_progress("Answering requests") as progress:
        return evaluate_requests(
            matcher,
            labelled,
            top_k=top_k,
            min_confidence=min_confidence,
            team=team,
            seed=seed,
            progress=progress,
            request_set=requests,
        )


def _write_reports(run: Run, markdown: str | None, report: str | None) -> None:
    from agentmatch.files import write_atomically

    if markdown is not None:
        from agentmatch.evaluation.markdown import markdown_report

        write_atomically(Path(markdown), markdown_report(run).encode("utf-8", "replace"))
        notice(f"Markdown report saved in {markdown}")
    if report is not None:
        from agentmatch.evaluation.report import html_report

        write_atomically(Path(report), html_report(run).encode("utf-8", "replace"))
        notice(f"HTML report saved in {report}")


def _print_run(run: Run, as_json: bool) -> None:
    from agentmatch.cli.render_evaluation import print_run, run_json

    if as_json:
        print_json(run_json(run))
        return
    from rich.console import Console

    print_run(run, Console())


def _require_minimums(
    context: click.Context, run: Run, minimums: tuple[tuple[str, float], ...]
) -> None:
    missed = False
    for metric, minimum in minimums:
        found = run.metrics.get(metric)
        if found is None:
            notice(f"{metric} is not measured by these requests, but --min asks for {minimum:g}")
            missed = True
        elif found.value < minimum:
            notice(f"{metric} is {found.value:.4f}, below the minimum of {minimum:g}")
            missed = True
    context.exit(1 if missed else 0)


@click.command(epilog="Example: agentmatch compare before.json after.json")
@click.argument("run_a", metavar="A.json")
@click.argument("run_b", metavar="B.json")
@json_option
def compare(run_a: str, run_b: str, as_json: bool) -> None:
    """Say whether run B routes better than run A, and which requests changed.

    Both are files that 'agentmatch evaluate -o' wrote. Only requests of both count.
    """
    from agentmatch.cli.render_evaluation import comparison_json, print_comparison
    from agentmatch.evaluation.comparison import compare as compare_runs
    from agentmatch.evaluation.runs import Run

    comparison = compare_runs(Run.load(run_a), Run.load(run_b))
    dropped = len(comparison.only_a) + len(comparison.only_b) + len(comparison.changed)
    if dropped:
        notice(
            f"left out: {len(comparison.only_a)} requests only in {run_a}, "
            f"{len(comparison.only_b)} only in {run_b}, {len(comparison.changed)} with another "
            "text or other labels"
        )
    if as_json:
        print_json(comparison_json(comparison))
        return
    from rich.console import Console

    print_comparison(comparison, Console())
