"""Make the table of tuning from its result file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

METHODS = (
    ("zero_shot", "agentmatch, not tuned"),
    ("tuned", "agentmatch, tuned"),
    ("semantic_router", "semantic-router, `fit`"),
    ("semantic_router_max", "semantic-router, maximum of 100, `fit`"),
)
"""The rows of a setting: key and label."""

HEADS = (
    "set",
    "method",
    "accuracy",
    "answered rightly",
    "none: recall",
    "none: precision",
    "AUROC",
    "ECE",
    "seconds",
)


def tuning_table(document: Mapping[str, Any] | None) -> str:
    """Make the table.

    Args:
        document: The content of `tuning.json`, or None.

    Returns:
        Markdown.
    """
    if document is None:
        return "Not measured yet."
    lines = [f"| {' | '.join(HEADS)} |", f"|---|---|{'---:|' * (len(HEADS) - 2)}"]
    for name, row in document["settings"].items():
        figures = {**row, **row.get("peer", {})}
        draws = f", mean of {row['draws']}" if row["draws"] > 1 else ""
        head = f"{name} ({row['test_requests']:,} test requests{draws})"
        for key, label in METHODS:
            measured = figures.get(key)
            if measured is None or "accuracy" not in measured:
                continue
            seconds = f"{row['seconds']:.0f}" if key == "tuned" else ""
            cells = [
                *(
                    _percent(measured[figure])
                    for figure in ("accuracy", "answered", "none_recall", "none_precision")
                ),
                *(_plain(measured[figure]) for figure in ("auroc", "ece")),
                seconds,
            ]
            lines.append(f"| {' | '.join([head, label, *cells])} |")
            head = ""
        if row.get("logistic_regression") is not None:
            accuracy = _percent(row["logistic_regression"])
            lines.append(f"|  | logistic regression on the vectors | {accuracy} | | | | | | |")
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
