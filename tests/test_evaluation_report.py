"""Reports: complete, inert, and laid out for a phone as for a desk."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from agentmatch.evaluation.charts import clean, curve, heat_map, histograms
from agentmatch.evaluation.evaluate import evaluate
from agentmatch.evaluation.leave_one_out import leave_one_out
from agentmatch.evaluation.markdown import escape_markdown, markdown_report
from agentmatch.evaluation.metrics import Interval
from agentmatch.evaluation.report import html_report
from agentmatch.evaluation.request_sets import LabelledRequest
from agentmatch.evaluation.runs import Run
from agentmatch.evaluation.summary import confused_agents, recall_curve
from agentmatch.matcher import AgentMatcher
from agentmatch.types import Agent
from conftest import HashingEncoder

HOSTILE = (
    "<script>alert('x')</script> </title></style></svg><img src=https://evil.example/x onerror=1> "
    '" onload="alert(1) &amp; | `code` [link](javascript:alert(1)) \u202e\x00\ud800 ' + "w" * 400
)
NAME = '<b onclick="x">dba</b> | a-very-long-name-of-an-agent-that-does-not-fit-anywhere'
VOID = {"meta", "br", "img", "input", "link", "hr"}


def make_run() -> Run:
    agents = [
        Agent(name=NAME, description="Tunes slow SQL queries.", example_tasks=("Slow SQL query",)),
        Agent(
            name="designer",
            description=f"Draws layouts. {HOSTILE}",
            example_tasks=("Draw a page", "Slow SQL query"),
        ),
        *(Agent(name=f"filler-{n}", description=f"Knows topic {n}") for n in range(14)),
    ]
    requests = [
        LabelledRequest("1", f"Slow SQL {HOSTILE}", (NAME,), tags=("<i>tag</i>",)),
        LabelledRequest("2", f"Draw layouts {HOSTILE}", (NAME, "designer"), tags=("plain",)),
        LabelledRequest("3", "Bake a cake", (), tags=("plain",)),
        LabelledRequest("4", "\u200b", (NAME,)),
        *(LabelledRequest(f"d{n}", f"Draw layouts {n} {HOSTILE}", (NAME,)) for n in range(14)),
        *(
            LabelledRequest(f"f{n}", f"Knows topic {n}", (f"filler-{(n + n % 3) % 14}",))
            for n in range(14)
        ),
    ]
    return evaluate(AgentMatcher(agents, encoder=HashingEncoder()), requests, request_set=HOSTILE)


@pytest.fixture(scope="module")
def run() -> Run:
    return make_run()


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return html_report(run)


class Reader(HTMLParser):
    """Check that elements nest, and collect what a page holds."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_page_is_well_formed_and_its_links_lead_somewhere(page: str) -> None:
    reader = read(page)
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    for tag, name, value in reader.attributes:
        if tag == "a" and name == "href":
            assert value is not None
            assert value.startswith("#")
            assert value[1:] in ids
        if name == "aria-labelledby":
            assert value is not None
            assert set(value.split()) <= set(ids)


def test_page_needs_nothing_else_and_runs_nothing(page: str) -> None:
    reader = read(page)
    assert not {"script", "img", "link", "iframe", "object"} & set(reader.tags)
    for _, name, _ in reader.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "style", "xlink:href")
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"url\(|@import|https?:", style)
    assert "default-src 'none'" in page


def test_hostile_text_is_shown_as_text(page: str, run: Run) -> None:
    text = "".join(read(page).text)
    assert "<script>alert('x')</script>" in text
    assert NAME in text
    assert "<i>tag</i>" in text
    assert "\x00" not in page
    page.encode("utf-8")


def test_headline_numbers_are_there(page: str, run: Run) -> None:
    text = "".join(read(page).text)
    for name in ("accuracy@1", "recall@5", "mrr@10", "rprec", "auroc"):
        interval = run.metrics[name]
        assert name in text
        assert f"{interval.value:.3f}" in text
        assert f"{interval.low:.3f} to {interval.high:.3f}" in text
    assert f"{run.metrics['accuracy@1'].value * 100:.1f} %" in text
    assert run.catalogue_hash in text
    assert "could not be answered" in text.lower()


def test_tables_and_charts_can_be_read_aloud(page: str) -> None:
    reader = read(page)
    assert reader.tags["caption"] == reader.tags["table"] > 0
    scopes = [value for tag, name, value in reader.attributes if (tag, name) == ("th", "scope")]
    assert len(scopes) == reader.tags["th"]
    assert set(scopes) == {"col", "row"}
    assert page.count('role="img"') == page.count("<desc") == 5
    assert 'class="skip" href="#main"' in page
    assert reader.tags["details"] > 0


def test_leave_one_out_names_stolen_examples() -> None:
    agents = [
        Agent(name="a", example_tasks=("Fix the login page", "Fix the page")),
        Agent(name="b", example_tasks=("Fix the login page",)),
    ]
    run = leave_one_out(AgentMatcher(agents, encoder=HashingEncoder()))
    for report in (html_report(run), markdown_report(run)):
        assert "Leave-one-out evaluation" in report
        assert "Stolen examples" in report


def test_run_without_anything_in_scope() -> None:
    matcher = AgentMatcher([Agent(name="a", description="Knows all")], encoder=HashingEncoder())
    run = evaluate(matcher, [LabelledRequest("1", "Bake a cake", ())])
    assert run.metrics.keys() == {"none_recall", "ece", "brier", "aurc"}
    read(html_report(run))
    assert "no agent fits: 1." in markdown_report(run)


def test_perfect_run_has_no_weak_agents() -> None:
    matcher = AgentMatcher([Agent(name="a", description="Knows all")], encoder=HashingEncoder())
    run = evaluate(matcher, [LabelledRequest("1", "Knows all", ("a",))])
    page = html_report(run)
    read(page)
    assert "Weakest agents" not in page
    assert "Misrouted" not in page


def test_markdown_shows_hostile_text_as_text(run: Run) -> None:
    report = markdown_report(run)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(report)
    reader = read(html)
    allowed = {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(reader.tags) <= allowed
    assert "<script>alert('x')</script>" in "".join(reader.text)
    assert NAME in "".join(reader.text)
    assert reader.tags["td"] > 50
    for name in ("accuracy@1", "auroc"):
        assert f"{run.metrics[name].value:.3f}" in "".join(reader.text)


@pytest.mark.parametrize(
    "text",
    [
        "1. *a* _b_ `c` <d> [e](f) | ~~g~~ # h \\ &amp; https://x.example",
        "- a ![b](c) <https://x.example>",
        "+ a",
        "# a",
        "> a",
        "=== a",
    ],
)
def test_escaped_markdown_reads_as_it_was(text: str) -> None:
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(escape_markdown(text))
    assert html == f"<p>{clean(text).replace('&#x27;', chr(39))}</p>\n"


@pytest.mark.parametrize("text", ["https://x.example/a", "WWW.x.example", "me@x.example"])
def test_nothing_becomes_a_link(text: str) -> None:
    assert text not in escape_markdown(f"see {text}")


def test_plain_text_stays_readable_in_markdown() -> None:
    for text in ("63.2 % (median)", "backend-engineer", "accuracy@1", "when to use: fix it!"):
        assert escape_markdown(text) == text


def test_recall_curve_agrees_with_the_metrics(run: Run) -> None:
    points = recall_curve(run)
    for k in (1, 3, 5, 10):
        assert points[k - 1] == run.metrics[f"recall@{k}"]


def test_curve_rises_with_recall() -> None:
    svg = curve([Interval(0.2, 0.1, 0.3), Interval(0.5, 0.4, 0.6), Interval(1, 1, 1)])
    points = re.search(r'<polyline class="line" points="([^"]+)"', svg)
    assert points is not None
    heights = [float(point.split(",")[1]) for point in points[1].split()]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] - heights[1] == pytest.approx(0.3 * 176, abs=0.2)


def test_histogram_counts_every_score() -> None:
    svg = histograms({"right": [0.5, 0.5, 0.9], "wrong": [0.1], "no agent fits": [0.1, 0.1]})
    counts = [int(count) for count in re.findall(r"<title>(\d+) of", svg)]
    assert sorted(counts) == [1, 1, 2, 2]
    read(histograms({"right": [0.5]}))


def test_heat_map_shows_each_count(run: Run) -> None:
    names, counts = confused_agents(run, 5)
    assert len(names) <= 5
    shown = re.findall(r'class="(?:on|value)">(\d+)</text>', heat_map(names, counts))
    assert sorted(map(int, shown)) == sorted(counts.values())
    right = sum(
        entry.correct for entry in run.entries if entry.names[:1] and entry.names[0] in names
    )
    assert sum(n for (asked, got), n in counts.items() if asked == got) == right


MEASURE = """<pre id="measured"></pre><script>
const problems = [];
addEventListener("error", event => problems.push(String(event.message)));
addEventListener("load", () => {
  const root = document.documentElement;
  document.getElementById("measured").textContent = JSON.stringify({
    inner: root.clientWidth, scroll: root.scrollWidth, body: document.body.scrollWidth, problems,
    charts: [...document.querySelectorAll("svg[role=img]")].map(
      chart => chart.getBoundingClientRect().width),
  });
});
</script></body>"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_the_browser(page: str, tmp_path: Path, width: int) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed; the page was not looked at")
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    measured = policy.sub("", page).replace("</body>", MEASURE)
    (tmp_path / "page.html").write_text(measured, encoding="utf-8")
    # Chromium's window cannot be as narrow as a phone; a frame in it can. The frame's
    # measurements are passed to the outer page, whose DOM is printed.
    (tmp_path / "frame.html").write_text(
        f'<iframe id="frame" src="page.html" width="{width}" height="900" style="border:0">'
        '</iframe><pre id="out"></pre><script>addEventListener("load", () => '
        '{ document.getElementById("out").textContent = document.getElementById("frame")'
        '.contentDocument.getElementById("measured").textContent; });</script>'
    )
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1400,1000",
        "--dump-dom",
        (tmp_path / "frame.html").as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="out">(.+?)</pre>', done.stdout, re.S)
    assert found is not None, done.stderr
    sizes = json.loads(found[1])
    assert sizes["inner"] > width - 20
    assert sizes["scroll"] <= sizes["inner"]
    assert sizes["body"] <= sizes["inner"]
    assert sizes["problems"] == []
    assert len(sizes["charts"]) == 5
    assert all(250 < chart <= width for chart in sizes["charts"])
    assert "CONSOLE" not in done.stderr


def test_saved_run_gives_the_same_report(run: Run, page: str, tmp_path: Path) -> None:
    run.save(tmp_path / "run.json")
    assert html_report(Run.load(tmp_path / "run.json")) == page
