"""Evaluating, saving, comparing and exporting runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentmatch
from agentmatch.errors import InvalidRequestError, RunFileError, UnknownAgentError
from agentmatch.evaluation.breakdown import by_agent, confusions
from agentmatch.evaluation.comparison import compare
from agentmatch.evaluation.evaluate import evaluate
from agentmatch.evaluation.metrics import auroc
from agentmatch.evaluation.request_sets import LabelledRequest
from agentmatch.evaluation.runs import RankedAgent, Run, RunEntry
from agentmatch.evaluation.trec import escape_field, write_trec
from agentmatch.matcher import AgentMatcher
from agentmatch.types import Agent
from conftest import HashingEncoder

AGENTS = [
    Agent(name="dba", description="Tunes slow SQL queries and indexes of databases."),
    Agent(name="C# Expert", description="Writes C# services and libraries."),
    Agent(name="ui-designer", description="Draws page layouts and chooses colours."),
    *(Agent(name=f"filler-{n:02}", description=f"Topic number {n}") for n in range(12)),
]

REQUESTS = (
    LabelledRequest("1", "Why is this SQL query slow?", ("dba",), "test", ("question",)),
    LabelledRequest("2", "Draw the layout of a login page", ("ui-designer",), "test"),
    LabelledRequest("q 3", "Choose colours for the page", ("C# Expert",), "test", ("wrong",)),
    LabelledRequest("4", "Draw layouts, tune SQL indexes", ("dba", "ui-designer"), "test"),
    LabelledRequest("5", "Bake a cake", (), "test", ("question",)),
    LabelledRequest("6", "\u200b", ("dba",), "test"),
)


@pytest.fixture
def matcher(encoder: HashingEncoder) -> AgentMatcher:
    return AgentMatcher(AGENTS, encoder=encoder)


@pytest.fixture
def run(matcher: AgentMatcher) -> Run:
    return evaluate(matcher, REQUESTS, request_set="set.jsonl")


def test_answers_are_those_of_the_matcher(matcher: AgentMatcher, run: Run) -> None:
    assert [entry.id for entry in run.entries] == [request.id for request in REQUESTS]
    for entry in run.entries[:5]:
        expected = matcher.match(entry.text, top_k=10)
        assert entry.names == [match.agent.name for match in expected]
        assert [agent.score for agent in entry.ranking] == [match.score for match in expected]
        assert entry.ranking[0].evidence == expected[0].evidence[0].text
        assert entry.latency is not None


def test_failed_request_counts_zero_and_unfit_one_is_left_out(run: Run) -> None:
    assert (run.n, run.out_of_scope, run.failed) == (5, 1, 1)
    assert "empty" in run.entries[5].error
    right = sum(entry.correct for entry in run.entries if entry.gold)
    assert right == 3
    assert run.metrics["accuracy@1"].value == pytest.approx(right / 5)
    top = [entry.ranking[0].score for entry in run.entries[:5]]
    assert run.metrics["auroc"].value == pytest.approx(auroc(top[:4], top[4:]))
    assert run.metrics["exact_set"].value in (0, 1)


def test_run_says_what_shaped_it(matcher: AgentMatcher, run: Run) -> None:
    assert run.encoder_fingerprint == matcher.encoder.fingerprint
    assert run.settings["weights"] == matcher.weights
    assert (run.kind, run.split, run.request_set) == ("requests", "test", "set.jsonl")
    assert run.machine["processors"] >= 1
    assert run.latency is not None
    assert 0 < run.latency.p50 <= run.latency.p95


def test_hashes_follow_content_not_order(matcher: AgentMatcher, run: Run) -> None:
    shuffled = AgentMatcher(AGENTS[::-1], encoder=HashingEncoder())
    assert evaluate(shuffled, REQUESTS).catalogue_hash == run.catalogue_hash
    other = AgentMatcher([*AGENTS[1:], replace(AGENTS[0], tags=("sql",))], encoder=HashingEncoder())
    assert evaluate(other, REQUESTS).catalogue_hash != run.catalogue_hash
    relabelled = [replace(REQUESTS[0], agents=("C# Expert",)), *REQUESTS[1:]]
    assert evaluate(matcher, relabelled).requests_hash != run.requests_hash


def test_depth_covers_the_metrics(matcher: AgentMatcher) -> None:
    assert len(evaluate(matcher, REQUESTS[:1], top_k=1).entries[0].ranking) == 10
    assert len(evaluate(matcher, REQUESTS[:1], top_k=12).entries[0].ranking) == 12
    many = LabelledRequest("m", "Topic", tuple(f"filler-{n:02}" for n in range(12)))
    assert len(evaluate(matcher, [many]).entries[0].ranking) == 12


@pytest.mark.parametrize(
    ("requests", "error"),
    [
        ([], InvalidRequestError),
        ([REQUESTS[0], REQUESTS[0]], InvalidRequestError),
        ([LabelledRequest("", "Fix", ("dba",))], InvalidRequestError),
        ([LabelledRequest("1", "Fix", ("nobody",))], UnknownAgentError),
    ],
)
def test_unusable_requests(
    matcher: AgentMatcher, requests: list[LabelledRequest], error: type[Exception]
) -> None:
    with pytest.raises(error):
        evaluate(matcher, requests)


def test_progress_ends_at_the_total(matcher: AgentMatcher) -> None:
    calls: list[tuple[int, int]] = []
    evaluate(matcher, REQUESTS, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 6) for done in range(7)]


def entry(identifier: str, gold: str, *ranking: str, tags: tuple[str, ...] = ()) -> RunEntry:
    ranked = tuple(
        RankedAgent(name, 1 - place / 10, "purpose", f"line of {name}", 0.5)
        for place, name in enumerate(ranking)
    )
    return RunEntry(identifier, f"text {identifier}", tuple(gold.split()), tags, ranked)


ENTRIES = [
    entry("1", "a", "a", "b"),
    entry("2", "a", "b", "a"),
    entry("3", "b", "b"),
    entry("4", "a c", "b", "c", "a"),
    entry("5", "", "b"),
    entry("6", "c"),
]


def test_breakdown_by_agent() -> None:
    found = {agent.name: agent for agent in by_agent(ENTRIES)}
    assert list(found) == ["c", "a", "b"]
    a, b, c = found["a"], found["b"], found["c"]
    assert (a.n, a.answered, a.precision) == (3, 1, 1)
    assert a.recall == pytest.approx(1 / 3)
    assert a.recall_at_5 == 1
    # The request that no agent fits does not count against the agent that took it.
    assert (b.n, b.recall, b.answered) == (1, 1, 3)
    assert b.precision == pytest.approx(1 / 3)
    assert (c.n, c.recall, c.recall_at_5, c.precision) == (2, 0, 0.5, None)


def test_confusions_name_what_misled() -> None:
    pairs = confusions(ENTRIES)
    assert [(pair.asked, pair.got, pair.count) for pair in pairs] == [("a", "b", 1), ("c", "b", 1)]
    assert pairs[0].requests[0].id == "2"
    assert pairs[0].requests[0].evidence == "line of b"
    assert pairs[1].requests[0].text == "text 4"


def test_tags(run: Run) -> None:
    tags = {tag.tag: tag for tag in run.by_tag}
    assert list(tags) == ["question", "wrong"]
    assert (tags["question"].n, tags["question"].out_of_scope) == (1, 1)
    assert tags["question"].metrics["accuracy@1"].value == 1
    assert tags["wrong"].metrics["accuracy@1"].value == 0


def test_saved_run_is_the_same(run: Run, tmp_path: Path) -> None:
    odd = replace(run, entries=(*run.entries, entry("\ud800 \u2028", "a", "b")))
    odd.save(tmp_path / "deep" / "run.json")
    assert Run.load(tmp_path / "deep" / "run.json") == odd


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "in format 99, not 3"),
        ({"split": 3}, "run.split is '3'"),
        ({"kind": "guess"}, "run.kind"),
        ({"metrics": {"accuracy@1": 0.5}}, "run.metrics.accuracy@1 does not have the keys"),
        ({"entries": [{"id": "1"}]}, r"run.entries\[0\]"),
        ({"extra": 1}, "does not have the keys of a Run"),
    ],
)
def test_damaged_run(run: Run, tmp_path: Path, change: dict[str, object], message: str) -> None:
    file = tmp_path / "run.json"
    run.save(file)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(RunFileError, match=message):
        Run.load(file)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1}', "{", "[" * 100_000])
def test_file_that_is_no_run(tmp_path: Path, content: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(content)
    with pytest.raises(RunFileError):
        Run.load(file)
    with pytest.raises(RunFileError, match="No such file"):
        Run.load(tmp_path / "nowhere.json")


def test_trec_files_give_the_same_metrics(run: Run, tmp_path: Path) -> None:
    ir_measures = pytest.importorskip("ir_measures")
    write_trec(run, tmp_path / "trec")
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "trec" / "qrels.txt")))
    ranking = list(ir_measures.read_trec_run(str(tmp_path / "trec" / "run.txt")))
    measures = {"P@1": "accuracy@1", "RR@10": "mrr@10", "nDCG@10": "ndcg@10", "R@5": "recall@5"}
    parsed = {ir_measures.parse_measure(text): name for text, name in measures.items()}
    for measure, value in ir_measures.calc_aggregate(list(parsed), qrels, ranking).items():
        assert value == pytest.approx(run.metrics[parsed[measure]].value)
    assert {line.doc_id for line in qrels} == {"dba", "ui-designer", "C#%20Expert"}


@given(st.text(alphabet=st.characters(), min_size=1))
def test_escaped_fields_are_one_column_and_can_be_read_back(text: str) -> None:
    escaped = escape_field(text)
    assert escaped.split() == [escaped]
    assert unquote(escaped, errors="surrogatepass") == text


def runs_of(run: Run, *rankings: str) -> Run:
    entries = tuple(
        entry(str(number), "a", *ranking.split()) for number, ranking in enumerate(rankings)
    )
    return replace(run, entries=entries)


def test_comparison_of_a_run_with_itself(run: Run) -> None:
    comparison = compare(run, run)
    assert (comparison.settings, comparison.won, comparison.lost) == ({}, (), ())
    assert {entry.verdict for entry in comparison.differences} == {"no difference"}
    assert comparison.n == len(run.entries)


def test_clear_improvement_is_better_and_its_reverse_worse(run: Run) -> None:
    before = runs_of(run, *["b a"] * 12, "a b")
    after = replace(runs_of(run, *["a b"] * 12, "b a"), encoder="other")
    forward = {entry.metric: entry for entry in compare(before, after).differences}
    backward = {entry.metric: entry for entry in compare(after, before).differences}
    accuracy = forward["accuracy@1"]
    assert accuracy.difference.value == pytest.approx(11 / 13)
    assert (accuracy.a, accuracy.b) == (pytest.approx(1 / 13), pytest.approx(12 / 13))
    assert 0 < accuracy.difference.low < accuracy.difference.high <= 1
    assert accuracy.p_value < 0.05
    assert accuracy.verdict == "better"
    assert backward["accuracy@1"].verdict == "worse"
    assert forward["recall@5"].verdict == "no difference"
    comparison = compare(before, after)
    assert len(comparison.won) == 12
    assert [(flip.id, flip.a, flip.b) for flip in comparison.lost] == [("12", "a", "b")]
    assert comparison.settings["encoder"] == ("hashing", "other")


def test_two_flips_are_no_difference(run: Run) -> None:
    comparison = compare(runs_of(run, *["b"] * 9), runs_of(run, *["b"] * 7, "a", "a"))
    assert comparison.differences[0].verdict == "no difference"
    assert len(comparison.won) == 2


def test_only_the_same_requests_are_compared(run: Run) -> None:
    first = replace(run, entries=(entry("1", "a", "a"), entry("2", "a", "a"), entry("3", "a", "b")))
    second = replace(
        run,
        entries=(
            entry("4", "a", "a"),
            entry("3", "b", "b"),
            replace(entry("2", "a", "b"), text="another"),
            entry("1", "a", "b"),
        ),
    )
    comparison = compare(first, second)
    assert comparison.n == 1
    assert (comparison.only_a, comparison.only_b) == ((), ("4",))
    assert comparison.changed == ("2", "3")
    assert [flip.id for flip in comparison.lost] == ["1"]
    with pytest.raises(InvalidRequestError, match="share no request"):
        compare(first, replace(run, entries=(entry("9", "a", "a"),)))


def test_evaluation_is_imported_only_when_it_is_used() -> None:
    program = (
        "import sys, agentmatch, agentmatch.cli.main; "
        "assert not [name for name in sys.modules if name.startswith('agentmatch.evaluation')]; "
        "agentmatch.evaluate; assert 'agentmatch.evaluation.evaluate' in sys.modules; "
        "assert not {'torch', 'sklearn', 'rich'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_public_names() -> None:
    assert agentmatch.evaluate is evaluate
    assert agentmatch.compare is compare
    for name in agentmatch.__all__:
        assert getattr(agentmatch, name) is not None
    with pytest.raises(AttributeError):
        agentmatch.nothing  # noqa: B018
