"""`agentmatch evaluate` and `agentmatch compare`, with an encoder that needs no model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agentmatch.cli import main
from agentmatch.evaluation.metrics import LOWER_IS_BETTER, METRICS
from agentmatch.evaluation.runs import Run
from conftest import HashingEncoder

AGENT_LINES = [
    {
        "name": "dba",
        "description": "Tunes slow SQL queries.",
        "example_tasks": ["Why is this SQL query slow?", "Tune this slow join"],
    },
    {
        "name": "ui-designer",
        "description": "Draws layouts of pages.",
        "example_tasks": ["Draw the layout of a page"],
    },
]
REQUEST_LINES = [
    {"text": "This SQL query is slow", "agents": ["dba"], "split": "test", "tags": ["sql"]},
    {"text": "Draw a layout", "agents": ["ui-designer"], "split": "test"},
    {"text": "Draw the pages of my <b>novel</b>", "agents": ["dba"], "split": "dev"},
    {"text": "Bake a cake", "agents": [], "split": "dev"},
]


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENTMATCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "agentmatch.encoders.load_encoder",
        lambda _model: HashingEncoder(),
    )
    write_lines(tmp_path / "agents.jsonl", AGENT_LINES)
    write_lines(tmp_path / "requests.jsonl", REQUEST_LINES)
    return tmp_path


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [part.replace("DIR", str(folder)) for part in arguments])


BASE = ("evaluate", "--agents", "DIR/agents.jsonl", "--requests", "DIR/requests.jsonl")


def test_json_holds_every_metric(folder: Path) -> None:
    result = invoke(folder, *BASE, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["n"], found["requests"], found["out_of_scope"]) == (3, 4, 1)
    assert set(found["metrics"]) == {*METRICS, *LOWER_IS_BETTER} - {
        "rprec",
        "exact_set",
        "none_precision",
    }
    accuracy = found["metrics"]["accuracy@1"]
    assert accuracy["value"] == pytest.approx(2 / 3)
    assert 0 <= accuracy["low"] <= accuracy["value"] <= accuracy["high"] <= 1
    pair = found["confusions"][0]
    assert (pair["asked"], pair["got"], pair["count"]) == ("dba", "ui-designer", 1)
    assert found["latency_ms"]["p50"] > 0


def test_split_and_limit(folder: Path) -> None:
    found = json.loads(invoke(folder, *BASE, "--json", "--split", "test").stdout)
    assert (found["n"], found["out_of_scope"], found["request_set"]["split"]) == (2, 0, "test")
    assert json.loads(invoke(folder, *BASE, "--json", "--limit", "1").stdout)["requests"] == 1


def test_readable_output(folder: Path) -> None:
    result = invoke(folder, *BASE)
    assert result.exit_code == 0
    for words in ("accuracy@1", "0.667", "Weakest agents", "Most confused", "By tag", "latency"):
        assert words in result.stdout
    assert "<b>novel</b>" in result.stdout


def test_leave_one_out(folder: Path) -> None:
    result = invoke(folder, "evaluate", "--agents", "DIR/agents.jsonl", "--leave-one-out", "--json")
    found = json.loads(result.stdout)
    assert (found["n"], found["kind"], found["latency_ms"]) == (3, "leave-one-out", None)


@pytest.mark.parametrize(
    ("minimum", "status", "message"),
    [
        ("accuracy@1=0.6", 0, ""),
        ("accuracy@1=0.7", 1, "accuracy@1 is 0.6667, below the minimum of 0.7"),
        ("MRR@10=0.9", 1, "mrr@10 is"),
        ("rprec=0", 1, "rprec is not measured"),
    ],
)
def test_minimum(folder: Path, minimum: str, status: int, message: str) -> None:
    result = invoke(folder, *BASE, "--min", "recall@10=1", "--min", minimum)
    assert result.exit_code == status
    assert message in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "--agents", "DIR/agents.jsonl"),
        (*BASE, "--leave-one-out"),
        ("evaluate", "--agents", "DIR/agents.jsonl", "--leave-one-out", "--split", "test"),
        (*BASE, "--min", "accuracy@2=0.5"),
        (*BASE, "--min", "accuracy@1"),
        (*BASE, "--min", "accuracy@1=80"),
        (*BASE, "--limit", "0"),
        (*BASE, "--seed", "-1"),
        (*BASE, "-k", "0"),
        (*BASE, "--index", "DIR/index"),
    ],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...]) -> None:
    result = invoke(folder, *arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert result.stdout == ""


def test_failures_say_why(folder: Path) -> None:
    write_lines(folder / "requests.jsonl", [{"text": "Fix", "agents": ["dbaa"]}])
    result = invoke(folder, *BASE)
    assert result.exit_code == 1
    assert "'dbaa' (request 1; did you mean dba?)" in result.stderr
    assert str(folder / "requests.jsonl") in result.stderr
    (folder / "requests.jsonl").write_text("nonsense\n")
    assert "line 1: not valid JSON" in invoke(folder, *BASE).stderr


def test_files(folder: Path) -> None:
    result = invoke(folder, *BASE, "-o", "DIR/out/run.json", "--trec", "DIR/trec")
    assert result.exit_code == 0
    run = Run.load(folder / "out" / "run.json")
    assert run.request_set == str(folder / "requests.jsonl")
    assert run.catalogue == str(folder / "agents.jsonl")
    assert (folder / "trec" / "qrels.txt").read_text().splitlines()[0] == "1 0 dba 1"
    assert (folder / "trec" / "run.txt").read_text().startswith("1 Q0 dba 1 2 agentmatch\n")


def test_reports(folder: Path) -> None:
    result = invoke(folder, *BASE, "--report", "DIR/out.html", "--markdown", "DIR/out.md")
    assert result.exit_code == 0, result.output
    assert (folder / "out.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "| accuracy@1 | 0.667 |" in (folder / "out.md").read_text("utf-8")


def test_compare(folder: Path) -> None:
    invoke(folder, *BASE, "-o", "DIR/a.json")
    write_lines(folder / "requests.jsonl", REQUEST_LINES[:2])
    invoke(folder, *BASE, "-o", "DIR/b.json")
    result = invoke(folder, "compare", "DIR/a.json", "DIR/b.json", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["n"] == 2
    assert found["differences"]["accuracy@1"]["verdict"] == "no difference"
    assert found["only_a"] == ["3", "4"]
    assert "2 requests only in" in result.stderr
    readable = invoke(folder, "compare", "DIR/a.json", "DIR/b.json").stdout
    assert "2 requests in both runs" in readable
    assert "requests_hash" in readable


def test_compare_with_what_is_no_run(folder: Path) -> None:
    result = invoke(folder, "compare", "DIR/agents.jsonl", "DIR/agents.jsonl")
    assert result.exit_code == 1
    assert "agents.jsonl: not valid JSON" in result.stderr
