"""Write a run as Markdown, for a pull request or a page of documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agentmatch.evaluation.abstention import reliability, risk_coverage
from agentmatch.evaluation.metrics import HEADLINES
from agentmatch.evaluation.runs import Run
from agentmatch.evaluation.summary import (
    SHOWN_PAIRS,
    SHOWN_REQUESTS,
    cut,
    first_confidences,
    recall_curve,
    settings,
    share,
    title,
    top_scores,
    verdict,
    weakest_agents,
)

COVERAGES = (0.25, 0.5, 0.75, 0.9, 1.0)
"""Points of the risk-coverage curve in the table."""

# Besides what CommonMark gives a meaning anywhere: list markers at the start of a line,
# and what GitHub turns into links by itself. Numbers and names stay readable as they are.
_SPECIAL = re.compile(
    r"[\\`*_{}\[\]<>#|~&]|^[-+=]|(?<=^\d)[.)](?=\s|$)|:(?=//)|(?<=www)\.|@(?=[\w-]+\.)",
    re.IGNORECASE,
)


def markdown_report(run: Run) -> str:
    """Write a report; all text of requests and agents is escaped.

    Args:
        run: The run.

    Returns:
        A Markdown document (CommonMark with tables).
    """
    parts = [f"# {title(run)}", escape_markdown(verdict(run))]
    parts += (
        _metrics(run)
        + _scores(run)
        + _confidence(run)
        + _weakest(run)
        + _misrouted(run)
        + _tags(run)
    )
    failed = [entry for entry in run.entries if entry.error]
    if failed:
        rows = [(entry.id, entry.error) for entry in failed[:SHOWN_PAIRS]]
        parts += ["## Failed requests", _table(("request", "why"), rows)]
    parts += ["## How this was measured", _table(("setting", "value"), settings(run))]
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    r"""Return a text on one line in which nothing has a meaning in Markdown.

    Example:
        >>> escape_markdown("*now*")
        '\\*now\\*'
    """
    flat = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    visible = "".join(character if character.isprintable() else " " for character in flat)
    return _SPECIAL.sub(lambda found: f"\\{found.group()}", visible)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(map(escape_markdown, row)) + " |" for row in rows]
    return "\n".join(lines)


def _metrics(run: Run) -> list[str]:
    rows = [
        (name, f"{interval.value:.3f}", f"{interval.low:.3f} to {interval.high:.3f}", meaning)
        for name, meaning in HEADLINES.items()
        if (interval := run.metrics.get(name)) is not None
    ]
    parts = ["## Metrics", _table(("metric", "mean", "95 % interval", "what it says"), rows)]
    if run.latency is not None:
        text = f"Latency {run.latency.p50:.1f} ms (median), {run.latency.p95:.1f} ms (95 %)."
        parts.append(escape_markdown(text))
    points = recall_curve(run)
    if points:
        header = ("k", *map(str, range(1, len(points) + 1)))
        parts.append(_table(header, [("recall@k", *(f"{point.value:.3f}" for point in points))]))
    return parts


def _scores(run: Run) -> list[str]:
    from statistics import quantiles

    rows = []
    for kind, scores in top_scores(run).items():
        low, middle, high = quantiles(scores, n=4) if len(scores) > 1 else scores * 3
        rows.append((kind, str(len(scores)), f"{low:.2f}", f"{middle:.2f}", f"{high:.2f}"))
    if not rows:
        return []
    header = ("first answer", "requests", "lower quartile of the score", "median", "upper")
    return ["## Scores of first answers", _table(header, rows)]


def _confidence(run: Run) -> list[str]:
    confidences, right = first_confidences(run)
    if not confidences:
        return []
    rows = [
        (str(part.n), f"{part.confidence:.2f}", f"{part.accuracy:.2f}")
        for part in reliability(confidences, right)
    ]
    coverages, risks = risk_coverage(confidences, right)
    answered = [
        (f"{share:.0%}", f"{risks[int((coverages < share).sum())]:.3f}") for share in COVERAGES
    ]
    return [
        "## Confidence",
        _table(("answers", "mean confidence", "share that is right"), rows),
        _table(("answered, surest first", "share that is wrong"), answered),
    ]


def _weakest(run: Run) -> list[str]:
    rows = [
        (
            agent.name,
            str(agent.n),
            share(agent.recall),
            share(agent.recall_at_5),
            str(agent.answered),
            share(agent.precision),
        )
        for agent in weakest_agents(run)
    ]
    header = ("agent", "requests", "comes first", "in first 5", "answers", "precision")
    return ["## Weakest agents", _table(header, rows)] if rows else []


def _misrouted(run: Run) -> list[str]:
    if not run.confusions:
        return []
    parts = ["## " + ("Stolen examples" if run.kind == "leave-one-out" else "Misrouted requests")]
    rows = []
    for pair in run.confusions[:SHOWN_PAIRS]:
        for request in pair.requests[:SHOWN_REQUESTS]:
            misled = f"{request.section.replace('_', ' ')}: {cut(request.evidence)}"
            similarity = f"{request.similarity:.2f}"
            rows.append((pair.asked, pair.got, cut(request.text), misled, similarity))
    header = ("asked for", "got", "request", "line that misled", "similarity")
    parts.append(_table(header, rows))
    left = sum(pair.count for pair in run.confusions) - len(rows)
    if left:
        parts.append(escape_markdown(f"And {left:,} more in the run file."))
    return parts


def _tags(run: Run) -> list[str]:
    if not run.by_tag:
        return []
    rows = []
    for tag in run.by_tag:
        values = [tag.metrics.get(name) for name in ("accuracy@1", "recall@5", "mrr@10")]
        numbers = ["\u2013" if value is None else f"{value.value:.3f}" for value in values]
        rows.append((tag.tag, str(tag.n), str(tag.out_of_scope), *numbers))
    header = ("tag", "requests", "none fits", "accuracy@1", "recall@5", "mrr@10")
    return ["## By tag", _table(header, rows)]
