"""Lay out what tuning changed, for people (rich)."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentmatch.cli.render import shorten
from agentmatch.tuning.report import TuningReport

SHOWN_LABELS = 10
"""Doubtful labels that are printed; --json has all."""

SHOWN_CHARACTERS = 100
"""Longer requests are cut."""

ROWS = (
    ("accuracy", "first agent right", True),
    ("answered", "first agent right and not refused", True),
    ("none_recall", "refused, of those that no agent fits", True),
    ("none_precision", "no agent fits, of those refused", True),
    ("handled", "all handled rightly", True),
    ("auroc", "AUROC of 'no agent fits'", False),
    ("ece", "calibration error (ECE)", False),
)
"""Fields of a `Quality`, what they are called, and whether they are shares."""


def print_tuning(report: TuningReport, console: Console) -> None:
    """Print figures before and after, and doubtful labels."""
    console.print(
        Text(
            f"{report.requests:,} labelled requests for {report.agents_with_examples:,} of "
            f"{report.agents:,} agents ({report.without_agent:,} that no agent fits), "
            f"{report.seconds:.1f} s",
            style="bold",
        )
    )
    console.print(f"judged on {report.judged:,} {report.judged_on}")
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    for name, label, is_share in ROWS:
        before, after = getattr(report.before, name), getattr(report.after, name)
        if before is not None or after is not None:
            table.add_row(label, _shown(before, is_share), _shown(after, is_share))
    console.print(table)
    if not report.doubtful:
        return
    console.print()
    console.print(
        Text(f"{len(report.doubtful)} labels look wrong; all other requests say:", style="bold")
    )
    for doubt in report.doubtful[:SHOWN_LABELS]:
        labelled = ", ".join(doubt.labelled) or "no agent"
        console.print(
            Text.assemble(
                (f"{doubt.id} ", "bold"),
                f"{labelled} -> {doubt.suggested} ({doubt.confidence:.2f}) ",
                (shorten(doubt.text, SHOWN_CHARACTERS), "dim"),
            )
        )
    if len(report.doubtful) > SHOWN_LABELS:
        console.print(f"and {len(report.doubtful) - SHOWN_LABELS} more; --json lists all")


def _shown(value: float | None, is_share: bool) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if is_share else f"{value:.3f}"
