"""Write a run as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import PurePath

from agentmatch.evaluation.abstention import reliability, risk_coverage
from agentmatch.evaluation.charts import (
    clean,
    curve,
    heat_map,
    histograms,
    interval_bar,
    reliability_diagram,
    risk_coverage_curve,
)
from agentmatch.evaluation.metrics import HEADLINES
from agentmatch.evaluation.runs import Confusion, Run
from agentmatch.evaluation.summary import (
    SHOWN_PAIRS,
    SHOWN_REQUESTS,
    confused_agents,
    cut,
    first_confidences,
    percent,
    recall_curve,
    settings,
    share,
    title,
    top_scores,
    verdict,
    weakest_agents,
)

CARDS = ("accuracy@1", "recall@5", "mrr@10", "auroc")
"""The figures at the top of the page."""

ROOMY_COLUMNS = ("from 0 to 1", "answers")
"""Columns that are left out where the page is narrow."""

HEAT_MAP_AGENTS = 10
"""Agents in the heat map; more would be too small to read on a phone."""

OPEN_PAIRS = 3
"""Confused pairs whose requests are unfolded from the start."""

# Nothing may be fetched or run, whatever a request's text holds.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_report(run: Run) -> str:
    """Write a report.

    All text of requests and agents is escaped, and the page's content policy forbids
    scripts and any access to the network.

    Args:
        run: The run.

    Returns:
        A complete HTML document.
    """
    sections = [
        _metrics(run),
        _charts(run),
        _weakest(run),
        _misrouted(run),
        _tags(run),
        _failed(run),
        _settings(run),
    ]
    shown = [section for section in sections if section is not None]
    links = "".join(f'<li><a href="#{name}">{clean(text)}</a></li>' for name, text, _ in shown)
    heading = title(run)
    source = PurePath(run.catalogue).name or "agents"
    style = files("agentmatch.evaluation").joinpath("report.css").read_text("utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{clean(f"{heading}: {source}")}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the figures</a>
<header>
<h1>{clean(heading)}</h1>
<p>{clean(verdict(run))}</p>
<p class="muted small">{_about(run)}</p>
<nav aria-label="Sections"><ul>{links}</ul></nav>
</header>
<main id="main" tabindex="-1">
{_cards(run)}
{"".join(body for _, _, body in shown)}
</main>
</body>
</html>
"""


_Section = tuple[str, str, str]
"""The anchor of a section, its name and its HTML."""


def _section(name: str, heading: str, body: str) -> _Section:
    return (
        name,
        heading,
        f'<section aria-labelledby="{name}">\n<h2 id="{name}">{clean(heading)}</h2>\n{body}\n'
        "</section>\n",
    )


def _about(run: Run) -> str:
    parts = [f"{run.agents:,} agents", run.encoder, run.created[:10]]
    if run.request_set:
        parts.insert(0, PurePath(run.request_set).name + (f" ({run.split})" if run.split else ""))
    return " \u00b7 ".join(clean(part) for part in parts)


def _cards(run: Run) -> str:
    cards = [
        f"<li><span>{clean(name)}</span><b>{run.metrics[name].value:.3f}</b>"
        f'<span class="muted">{run.metrics[name].low:.3f} to {run.metrics[name].high:.3f}</span>'
        "</li>"
        for name in CARDS
        if name in run.metrics
    ]
    if run.latency is not None:
        cards.append(
            f"<li><span>latency, median</span><b>{run.latency.p50:.0f} ms</b>"
            f'<span class="muted">95 % within {run.latency.p95:.0f} ms</span></li>'
        )
    return f'<ul class="cards" aria-label="Headline figures">{"".join(cards)}</ul>'


def _table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int]
) -> str:
    """Lay out a table; cells are HTML already, the first of each row is its header."""

    def style(column: int) -> str:
        styles = ["number"] * (column in numbers)
        styles += ["roomy"] * (columns[column] in ROOMY_COLUMNS)
        return f' class="{" ".join(styles)}"' if styles else ""

    head = "".join(
        f'<th scope="col"{style(number)}>{clean(column)}</th>'
        for number, column in enumerate(columns)
    )
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{style(place)}>{cell}</td>" for place, cell in enumerate(row[1:], start=1))
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{clean(caption)}" tabindex="0">'
        f"<table><caption>{clean(caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>"
    )


def _metrics(run: Run) -> _Section | None:
    rows = []
    for name, meaning in HEADLINES.items():
        if name in run.metrics:
            interval = run.metrics[name]
            ends = f"{interval.low:.3f} to {interval.high:.3f}"
            number = f"{interval.value:.3f}"
            label = f'{clean(name)}<span class="muted">{clean(meaning)}</span>'
            rows.append([label, number, ends, interval_bar(interval)])
    if not rows:
        return None
    caption = "Means over requests, 0 to 1, with 95 % bootstrap intervals."
    columns = ("metric", "mean", "95 % interval", ROOMY_COLUMNS[0])
    return _section("metrics", "Metrics", _table(caption, columns, rows, (1, 2)))


def _charts(run: Run) -> _Section | None:
    figures = []
    points = recall_curve(run)
    if points:
        figures.append(
            _figure(
                "Recall at each depth",
                "Share of the right agents among the first k, with its 95 % band.",
                curve(points),
            )
        )
    scores = top_scores(run)
    if scores:
        figures.append(
            _figure(
                "Scores of first answers",
                "The further right and wrong answers stand apart, the better a score tells "
                "when to trust an answer. Dashed: the median.",
                histograms(scores),
            )
        )
    confidences, right = first_confidences(run)
    if confidences:
        figures.append(
            _figure(
                "Reliability of confidence",
                "Upright: the share of first answers that is right. On the dashed line "
                "confidences come true; below it they promise too much.",
                reliability_diagram(reliability(confidences, right)),
            )
        )
        figures.append(
            _figure(
                "Risk at each coverage",
                "Upright: the share of answers that is wrong, where only the surest requests "
                "are answered.",
                risk_coverage_curve(*(part.tolist() for part in risk_coverage(confidences, right))),
            )
        )
    names, counts = confused_agents(run, HEAT_MAP_AGENTS)
    if names:
        figures.append(
            _figure(
                "Who gets whose requests",
                "The agents confused most often; right answers on the diagonal. Columns have "
                "the numbers of the rows.",
                heat_map(names, counts),
            )
        )
    if not figures:
        return None
    return _section("charts", "Charts", f'<div class="charts">{"".join(figures)}</div>')


def _figure(heading: str, caption: str, chart: str) -> str:
    return (
        f"<figure><figcaption><b>{clean(heading)}.</b> {clean(caption)}</figcaption>"
        f"{chart}</figure>\n"
    )


def _weakest(run: Run) -> _Section | None:
    rows = [
        [
            clean(agent.name),
            str(agent.n),
            share(agent.recall),
            share(agent.recall_at_5),
            str(agent.answered),
            share(agent.precision),
        ]
        for agent in weakest_agents(run)
    ]
    if not rows:
        return None
    columns = ("agent", "requests", "comes first", "in first 5", "answers", "precision")
    caption = (
        "Agents that miss requests, weakest first. Comes first, in first 5: share of the requests "
        "for it. Precision: of the requests it came first for, the share that was meant for it."
    )
    return _section("agents", "Weakest agents", _table(caption, columns, rows, range(1, 6)))


def _misrouted(run: Run) -> _Section | None:
    if not run.confusions:
        return None
    total = sum(pair.count for pair in run.confusions)
    stolen = run.kind == "leave-one-out"
    intro = (
        f"Example tasks that went to another agent than their own: {total:,}"
        if stolen
        else f"Requests that went to a wrong agent: {total:,}"
    )
    intro += ". Each stands here with the line of that agent which is nearest to it."
    if len(run.confusions) > SHOWN_PAIRS:
        intro += f" The {SHOWN_PAIRS} most frequent of {len(run.confusions):,} pairs."
    pairs = "".join(
        _pair(pair, number < OPEN_PAIRS) for number, pair in enumerate(run.confusions[:SHOWN_PAIRS])
    )
    heading = "Stolen examples" if stolen else "Misrouted requests"
    return _section("misrouted", heading, f"<p>{clean(intro)}</p>\n{pairs}")


def _pair(pair: Confusion, unfolded: bool) -> str:
    items = "".join(
        f'<li><bdi dir="auto">{clean(cut(request.text))}</bdi>'
        f'<div class="misled"><b>{clean(pair.got)}</b>, '
        f"{clean(request.section.replace('_', ' '))} ({request.similarity:.2f}): "
        f'<bdi dir="auto">{clean(cut(request.evidence))}</bdi></div></li>\n'
        for request in pair.requests[:SHOWN_REQUESTS]
    )
    more = pair.count - SHOWN_REQUESTS
    if more > 0:
        items += f'<li class="muted">and {more:,} more in the run file</li>'
    return (
        f"<details{' open' if unfolded else ''}><summary>"
        f'<span class="count">{pair.count}</span> asked for <b>{clean(pair.asked)}</b>, '
        f"got <b>{clean(pair.got)}</b></summary>\n<ul>\n{items}</ul></details>\n"
    )


def _tags(run: Run) -> _Section | None:
    if not run.by_tag:
        return None
    rows = []
    for tag in run.by_tag:
        cells = [clean(tag.tag), str(tag.n), str(tag.out_of_scope)]
        accuracy = tag.metrics.get("accuracy@1")
        cells.append("\u2013" if accuracy is None else f"{accuracy.value:.3f}")
        cells.append("" if accuracy is None else f"{accuracy.low:.3f} to {accuracy.high:.3f}")
        for name in ("recall@5", "mrr@10"):
            cells.append(f"{tag.metrics[name].value:.3f}" if name in tag.metrics else "\u2013")
        rows.append(cells)
    columns = ("tag", "requests", "none fits", "accuracy@1", "95 % interval", "recall@5", "mrr@10")
    caption = "Requests by tag; those that no agent fits are counted apart."
    return _section("tags", "By tag", _table(caption, columns, rows, range(1, 7)))


def _failed(run: Run) -> _Section | None:
    failed = [entry for entry in run.entries if entry.error]
    if not failed:
        return None
    rows = [[clean(entry.id), clean(entry.error)] for entry in failed[:SHOWN_PAIRS]]
    caption = f"Requests that could not be answered: {len(failed):,}."
    return _section("failed", "Failed requests", _table(caption, ("request", "why"), rows, ()))


def _settings(run: Run) -> _Section:
    rows = "".join(
        f"<dt>{clean(name)}</dt><dd>{clean(text)}</dd>\n" for name, text in settings(run)
    )
    note = (
        f"Accuracy counts the requests that some agent fits ({run.n:,}, "
        f"{percent(run.n / len(run.entries))} of all); a failed one counts 0."
    )
    body = f'<p class="small muted">{clean(note)}</p>\n<dl>\n{rows}</dl>'
    return _section("settings", "How this was measured", body)
