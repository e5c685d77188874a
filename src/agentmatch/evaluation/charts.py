"""Draw small charts as inline SVG. Pure functions, strings only.

Charts are drawn about as wide as a phone, so that their labels stay legible there, and
take their colours from the page's CSS variables. Each has a title and a description
for screen readers, and nothing in them is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

from agentmatch.evaluation.abstention import Bin
from agentmatch.evaluation.metrics import Interval

WIDTH = 360
"""Units of a chart's width; one is about a pixel."""

BINS = 24
"""Bars of a histogram."""

LABEL_CHARACTERS = 21
"""Longer names of agents are cut in charts; their tooltips hold them whole."""


def clean(text: str) -> str:
    """Escape a text for HTML, without characters that a page may not hold."""
    visible = "".join(
        character if character.isprintable() or character == "\u200d" else " "
        for character in text.encode("utf-8", "replace").decode("utf-8")
    )
    return escape(visible, quote=True)


def _svg(name: str, height: float, title: str, description: str, body: Sequence[str]) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height:g}" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{clean(title)}</title>'
        f'<desc id="{name}-desc">{clean(description)}</desc>{"".join(body)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    styled = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{styled}>{clean(text)}</text>'


def interval_bar(interval: Interval) -> str:
    """Draw an estimate and its interval on a line from 0 to 1; the numbers stand beside it."""
    low, high, value = (4 + 92 * part for part in (interval.low, interval.high, interval.value))
    return (
        '<svg class="bar" viewBox="0 0 100 12" aria-hidden="true">'
        '<line class="axis" x1="4" x2="96" y1="6" y2="6"/>'
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="6" y2="6"/>'
        f'<circle class="dot" cx="{value:.1f}" cy="6" r="3.5"/></svg>'
    )


def curve(points: Sequence[Interval]) -> str:
    """Draw recall@k for k = 1, 2, ... as a line in its band of confidence.

    Args:
        points: recall@1, recall@2 and so on.

    Returns:
        An SVG element.
    """
    left, right, top, bottom = 36.0, WIDTH - 18.0, 14.0, 190.0

    def x(k: int) -> float:
        inner = left + 16
        return inner + (right - inner) * (k - 1) / max(1, len(points) - 1)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value

    body = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        body.append(
            f'<line class="grid" x1="{left}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        )
        body.append(_text(left - 6, y(tick) + 4, f"{tick:.2f}".rstrip("0").rstrip("."), "end"))
    numbered = list(enumerate(points, start=1))
    band = [f"{x(k):.1f},{y(point.high):.1f}" for k, point in numbered]
    band += [f"{x(k):.1f},{y(point.low):.1f}" for k, point in reversed(numbered)]
    body.append(f'<polygon class="band" points="{" ".join(band)}"/>')
    line = " ".join(f"{x(k):.1f},{y(point.value):.1f}" for k, point in numbered)
    body.append(f'<polyline class="line" points="{line}"/>')
    for k, point in numbered:
        body.append(
            f'<circle class="dot" cx="{x(k):.1f}" cy="{y(point.value):.1f}" r="3.2">'
            f"<title>recall@{k} {point.value:.3f} ({point.low:.3f} to {point.high:.3f})</title>"
            "</circle>"
        )
        body.append(_text(x(k), bottom + 17, str(k), "middle"))
        if k in (1, 3, 5, 10):
            below = y(point.value) + 18
            body.append(_text(x(k), below, f"{point.value:.2f}", "middle", "value"))
    body.append(_text((left + right) / 2, bottom + 34, "k, agents looked at", "middle", "muted"))
    told = ", ".join(f"recall@{k} {point.value:.2f}" for k, point in numbered)
    return _svg("recall", bottom + 42, "Recall at each depth of the ranking", told, body)


_LEFT, _RIGHT, _TOP, _BOTTOM = 36.0, WIDTH - 18.0, 14.0, 190.0


def _unit_axes(across: str) -> list[str]:
    """Draw a square of 0 to 1 both ways; the caption says what stands upright."""
    body = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = _place(tick, tick)
        label = f"{tick:.2f}".rstrip("0").rstrip(".")
        body.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        body.append(_text(_LEFT - 6, y + 4, label, "end"))
        body.append(_text(x, _BOTTOM + 17, label, "middle"))
    body.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 34, across, "middle", "muted"))
    return body


def _place(across: float, up: float) -> tuple[float, float]:
    return _LEFT + (_RIGHT - _LEFT) * across, _BOTTOM - (_BOTTOM - _TOP) * up


def reliability_diagram(bins: Sequence[Bin]) -> str:
    """Draw how often answers of each confidence are right; on the diagonal all is true.

    Args:
        bins: The bins, least confident first.

    Returns:
        An SVG element.
    """
    body = _unit_axes("confidence of the first agent")
    (x0, y0), (x1, y1) = _place(0, 0), _place(1, 1)
    body.append(f'<line class="median" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>')
    places = [_place(part.confidence, part.accuracy) for part in bins]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    body.append(f'<polyline class="line" points="{line}"/>')
    told = []
    for part, (x, y) in zip(bins, places, strict=True):
        label = f"{part.n} answers: confidence {part.confidence:.2f}, right {part.accuracy:.2f}"
        told.append(label)
        body.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.2"><title>{label}</title></circle>'
        )
    return _svg("reliability", _BOTTOM + 42, "Reliability of confidence", "; ".join(told), body)


def risk_coverage_curve(coverages: Sequence[float], risks: Sequence[float]) -> str:
    """Draw the share of wrong answers as only the surest requests are answered.

    Args:
        coverages: Shares of requests that are answered, ascending.
        risks: For each the share of these answers that is wrong.

    Returns:
        An SVG element.
    """
    body = _unit_axes("share of requests answered, surest first")
    # No more points than the drawing has room for.
    step = max(1, len(coverages) // WIDTH)
    chosen = sorted({*range(0, len(coverages), step), len(coverages) - 1})
    line = " ".join(
        "{:.1f},{:.1f}".format(*_place(coverages[number], risks[number])) for number in chosen
    )
    body.append(f'<polyline class="line" points="{line}"/>')
    told = []
    for share in (0.25, 0.5, 0.75, 1.0):
        number = next(place for place, value in enumerate(coverages) if value >= share - 1e-12)
        label = f"{coverages[number]:.0%} answered: {risks[number]:.3f} wrong"
        told.append(label)
        x, y = _place(coverages[number], risks[number])
        body.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.2"><title>{label}</title></circle>'
        )
        anchor = "end" if share == 1 else "middle"
        body.append(_text(x, y - 9, f"{risks[number]:.2f}", anchor, "value"))
    return _svg("risk", _BOTTOM + 42, "Risk at each coverage", "; ".join(told), body)


def histograms(kinds: Mapping[str, Sequence[float]]) -> str:
    """Draw how scores are distributed, one row a kind, on one axis.

    Args:
        kinds: For each kind its scores, at least one.

    Returns:
        An SVG element.
    """
    left, right, row, bar = 12.0, WIDTH - 12.0, 74.0, 46.0
    everything = [score for scores in kinds.values() for score in scores]
    low, high = min(everything), max(everything)
    span = high - low or 1.0
    width = (right - left) / BINS

    def x(score: float) -> float:
        return left + (right - left) * (score - low) / span

    body, told = [], []
    for number, (kind, scores) in enumerate(kinds.items()):
        base = row * number + 22 + bar
        counts = [0] * BINS
        for score in scores:
            counts[min(BINS - 1, int((score - low) / span * BINS))] += 1
        tallest = max(counts)
        middle = median(scores)
        style = kind.split()[0]
        label = f"{kind}: {len(scores):,}, median {middle:.2f}"
        told.append(label)
        body.append(_text(left, base - bar - 7, label, style="value"))
        for place, count in enumerate(counts):
            if count:
                height = bar * count / tallest
                start, end = low + span * place / BINS, low + span * (place + 1) / BINS
                body.append(
                    f'<rect class="{style}" x="{left + place * width:.1f}" '
                    f'y="{base - height:.1f}" width="{width - 1:.1f}" height="{height:.1f}">'
                    f"<title>{count} of {kind} score {start:.2f} to {end:.2f}</title></rect>"
                )
        body.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{base}" y2="{base}"/>')
        body.append(
            f'<line class="median" x1="{x(middle):.1f}" x2="{x(middle):.1f}" '
            f'y1="{base - bar}" y2="{base + 3}"/>'
        )
    bottom = row * (len(kinds) - 1) + 22 + bar
    for step in range(5):
        value = low + span * step / 4
        anchor = "start" if step == 0 else "end" if step == 4 else "middle"
        body.append(_text(x(value), bottom + 17, f"{value:.2f}", anchor))
    body.append(
        _text((left + right) / 2, bottom + 34, "score of the first agent", "middle", "muted")
    )
    return _svg("scores", bottom + 42, "Scores of first answers", "; ".join(told), body)


def heat_map(names: Sequence[str], counts: Mapping[tuple[str, str], int]) -> str:
    """Draw how often each agent got each other's requests, right answers on the diagonal.

    Columns carry the numbers of the rows, because names of agents are too long to stand
    upright on a phone.

    Args:
        names: The agents.
        counts: Requests by (asked for, came first).

    Returns:
        An SVG element.
    """
    left, top = 176.0, 24.0
    cell = min(26.0, (WIDTH - left - 4) / len(names))
    most_wrong = max((n for (asked, got), n in counts.items() if asked != got), default=1)
    most_right = max((n for (asked, got), n in counts.items() if asked == got), default=1)
    body = []
    for number, name in enumerate(names):
        middle = top + cell * number + cell / 2 + 4
        short = name if len(name) <= LABEL_CHARACTERS else name[: LABEL_CHARACTERS - 1] + "\u2026"
        body.append(
            f'<text x="{left - 8}" y="{middle:.1f}" text-anchor="end">'
            f"<title>{clean(name)}</title>{clean(short)} <tspan>{number + 1}</tspan></text>"
        )
        body.append(_text(left + cell * (number + 0.5), top - 8, str(number + 1), "middle"))
    for row, asked in enumerate(names):
        for column, got in enumerate(names):
            x, y = left + cell * column, top + cell * row
            count = counts.get((asked, got), 0)
            right = asked == got
            strength = 0.15 + 0.85 * count / (most_right if right else most_wrong)
            style = "empty" if not count else "right" if right else "wrong"
            opacity = f' fill-opacity="{strength:.2f}"' if count else ""
            told = f"{asked} asked for, {got} came first: {count}"
            body.append(
                f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{cell - 1.5:.1f}" '
                f'height="{cell - 1.5:.1f}"{opacity}><title>{clean(told)}</title></rect>'
            )
            if count:
                shade = "on" if strength > 0.6 else "value"
                body.append(
                    _text(x + cell / 2 - 0.75, y + cell / 2 + 3.5, str(count), "middle", shade)
                )
    bottom = top + cell * len(names)
    told = "; ".join(
        f"{asked} asked for, {got} came first: {count}"
        for (asked, got), count in counts.items()
        if asked != got
    )
    body.append(_text(left - 8, top - 8, "asked for \u2193   came first \u2192", "end", "muted"))
    return _svg("confusion", bottom + 6, "Agents that are confused most", told, body)
