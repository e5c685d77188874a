"""Lay out evaluation runs and comparisons for people (rich) and programs (JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentmatch.cli.render import section_label, shorten
from agentmatch.evaluation.comparison import Comparison, Flip
from agentmatch.evaluation.metrics import HEADLINES, Interval
from agentmatch.evaluation.runs import Run

SHOWN_AGENTS = 8
SHOWN_PAIRS = 5
SHOWN_FLIPS = 10

SHOWN_CHARACTERS = 160
"""Longer texts are cut; files hold them whole."""

_VERDICT_STYLES = {"better": "green", "worse": "red", "no difference": "dim"}


def run_json(run: Run) -> dict[str, Any]:
    """Return what a run found as JSON values; the answers themselves are in its file."""
    return {
        "n": run.n,
        "requests": len(run.entries),
        "out_of_scope": run.out_of_scope,
        "failed": run.failed,
        "kind": run.kind,
        "metrics": {name: asdict(interval) for name, interval in run.metrics.items()},
        "latency_ms": None if run.latency is None else asdict(run.latency),
        "agents": [asdict(agent) for agent in run.by_agent],
        "tags": [asdict(tag) for tag in run.by_tag],
        "confusions": [
            {"asked": pair.asked, "got": pair.got, "count": pair.count, **asdict(pair)}
            for pair in run.confusions
        ],
        "catalogue": {"path": run.catalogue, "hash": run.catalogue_hash, "agents": run.agents},
        "request_set": {"path": run.request_set, "hash": run.requests_hash, "split": run.split},
        "encoder": {"name": run.encoder, "fingerprint": run.encoder_fingerprint},
        "settings": dict(run.settings),
        "machine": dict(run.machine),
        "version": run.version,
        "created": run.created,
    }


def print_run(run: Run, console: Console) -> None:
    """Print the metrics of a run, its weakest agents and what they are confused with."""
    what = "example tasks, each held out" if run.kind == "leave-one-out" else "requests"
    line = f"{len(run.entries)} {what}, {run.agents} agents, {run.encoder}"
    console.print(Text(line, style="bold"))
    if run.out_of_scope:
        console.print(
            f"{run.out_of_scope} of them no agent fits; they are left out of ranking metrics"
        )
    if run.failed:
        console.print(f"{run.failed} could not be answered; they count 0", style="red")
    metrics = _table("", ("metric", "value", "95 % interval"))
    for name in HEADLINES:
        if name in run.metrics:
            interval = run.metrics[name]
            metrics.add_row(name, f"{interval.value:.3f}", _ends(interval))
    console.print(metrics)
    if run.latency is not None:
        console.print(
            f"latency {run.latency.p50:.1f} ms (median), {run.latency.p95:.1f} ms (95th percentile)"
        )
    _print_tags(run, console)
    _print_weakest(run, console)
    _print_confusions(run, console)


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), title=title or None)
    table.title_justify, table.title_style = "left", "bold"
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table


def _ends(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _print_tags(run: Run, console: Console) -> None:
    if not run.by_tag:
        return
    table = _table("By tag", ("tag", "requests", "accuracy@1", "95 % interval", "recall@5"))
    for tag in run.by_tag:
        accuracy = tag.metrics.get("accuracy@1")
        recall = tag.metrics.get("recall@5")
        table.add_row(
            Text(tag.tag),
            str(tag.n + tag.out_of_scope),
            _share(None if accuracy is None else accuracy.value),
            "-" if accuracy is None else _ends(accuracy),
            _share(None if recall is None else recall.value),
        )
    console.print()
    console.print(table)


def _print_weakest(run: Run, console: Console) -> None:
    weakest = [agent for agent in run.by_agent if agent.recall is not None and agent.recall < 1]
    if not weakest:
        return
    columns = ("agent", "requests", "comes first", "in first 5", "precision")
    table = _table("Weakest agents", columns)
    for agent in weakest[:SHOWN_AGENTS]:
        table.add_row(
            Text(agent.name),
            str(agent.n),
            _share(agent.recall),
            _share(agent.recall_at_5),
            _share(agent.precision),
        )
    console.print()
    console.print(table)


def _print_confusions(run: Run, console: Console) -> None:
    if not run.confusions:
        return
    title = "Stolen examples" if run.kind == "leave-one-out" else "Most confused"
    console.print(f"\n[bold]{title}[/bold] (asked for, got)")
    for pair in run.confusions[:SHOWN_PAIRS]:
        console.print(
            Text.assemble(
                f"{pair.count:>3}  ", (pair.asked, "cyan"), " got ", (pair.got, "bold red")
            )
        )
        example = pair.requests[0]
        console.print(Text(f"     {shorten(example.text, SHOWN_CHARACTERS)}"))
        console.print(
            Text(
                f"     misled by {section_label(example.section)}: "
                f"{shorten(example.evidence, SHOWN_CHARACTERS)} "
                f"({example.similarity:.2f})",
                style="dim",
            )
        )


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON values."""
    document = asdict(comparison)
    document["settings"] = {name: {"a": a, "b": b} for name, (a, b) in comparison.settings.items()}
    document["differences"] = {
        entry.metric: {key: value for key, value in asdict(entry).items() if key != "metric"}
        for entry in comparison.differences
    }
    return document


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the differences of two runs and the requests that flipped."""
    console.print(f"[bold]{comparison.n} requests in both runs[/bold]")
    table = _table("", ("metric", "A", "B", "difference", "95 % interval", "p", "verdict"))
    for entry in comparison.differences:
        if entry.metric in HEADLINES:
            table.add_row(
                entry.metric,
                f"{entry.a:.3f}",
                f"{entry.b:.3f}",
                f"{entry.difference.value:+.3f}",
                f"{entry.difference.low:+.3f} to {entry.difference.high:+.3f}",
                f"{entry.p_value:.3f}",
                Text(entry.verdict, style=_VERDICT_STYLES[entry.verdict]),
            )
    console.print(table)
    console.print(Text("B is judged against A; p by a paired randomisation test.", style="dim"))
    if comparison.settings:
        settings = _table("What differs", ("setting", "A", "B"))
        for name, (a, b) in comparison.settings.items():
            settings.add_row(name, Text(str(a)), Text(str(b)))
        console.print()
        console.print(settings)
    _print_flips("Won", comparison.won, console)
    _print_flips("Lost", comparison.lost, console)


def _print_flips(title: str, flips: Sequence[Flip], console: Console) -> None:
    console.print(f"\n[bold]{title}[/bold] {len(flips)}")
    for flip in flips[:SHOWN_FLIPS]:
        console.print(Text(f"  {shorten(flip.text, SHOWN_CHARACTERS)}"))
        console.print(Text(f"    {flip.a or 'failed'} -> {flip.b or 'failed'}", style="dim"))
    if len(flips) > SHOWN_FLIPS:
        console.print(Text(f"  and {len(flips) - SHOWN_FLIPS} more (--json lists all)", "dim"))
