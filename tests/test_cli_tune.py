"""`agentmatch tune` and `agentmatch feedback`, with an encoder that needs no model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agentmatch.cli import main
from agentmatch.evaluation.request_sets import LabelledRequest
from conftest import TRADES, HashingEncoder, write_trades
from test_tuning import requests_for


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for place in ("agentmatch.encoders.load_encoder", "agentmatch.matcher.load_encoder"):
        monkeypatch.setattr(place, lambda _model="": HashingEncoder())
    write_trades(tmp_path / "agents")
    write(
        tmp_path / "requests.jsonl",
        [
            *requests_for(list(TRADES), 8, none=12),
            *requests_for(list(TRADES), 4, none=8, seed=1, split="dev"),
        ],
    )
    names = list(TRADES)
    shifted = dict(zip(names, [*names[1:], names[0]], strict=True))
    write(
        tmp_path / "wrong.jsonl",
        [
            *(
                replace(request, agents=(shifted[request.agents[0]],))
                for request in requests_for(names, 4)
            ),
            *requests_for(names, 4, seed=1, split="dev"),
        ],
    )
    return tmp_path


def write(path: Path, requests: Sequence[LabelledRequest]) -> None:
    path.write_text("".join(json.dumps(asdict(request)) + "\n" for request in requests))


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [part.replace("DIR", str(folder)) for part in arguments])


BASE = ("tune", "-a", "DIR/agents", "--requests", "DIR/requests.jsonl", "-o", "DIR/index")


def test_a_tuned_index_is_used_by_match_and_evaluate(folder: Path) -> None:
    result = invoke(folder, *BASE)
    assert result.exit_code == 0, result.output
    assert "52 labelled requests for 5 of 5 agents (12 that no agent fits)" in result.stdout
    assert "52 left-out requests" in result.stdout
    assert "split 'train' only" in result.stderr
    assert "saved in" in result.stderr
    matched = invoke(folder, "match", "oven dough glaze", "--index", "DIR/index", "--json")
    found = json.loads(matched.stdout)
    assert (found["matches"] + found["near_misses"])[0]["agent"] == "baker"
    evaluated = invoke(
        folder,
        *("evaluate", "--index", "DIR/index", "--requests", "DIR/requests.jsonl"),
        *("--split", "dev", "--json"),
    )
    assert evaluated.exit_code == 0, evaluated.output
    info = json.loads(invoke(folder, "info", "--index", "DIR/index", "--json").stdout)
    assert info["index"]["tuned_on"] == 52


def test_json_holds_the_report(folder: Path) -> None:
    result = invoke(folder, *BASE, "--split", "train", "--dev-split", "dev", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["saved"] is True
    assert found["better"] is True
    assert (found["judged_on"], found["judged"]) == ("dev requests", 28)
    assert found["after"]["accuracy"] > found["before"]["accuracy"]
    assert set(found["after"]) == {
        *("accuracy", "answered", "none_recall", "none_precision", "auroc", "ece", "handled"),
    }


def test_what_is_worse_is_not_saved_unless_forced(folder: Path) -> None:
    assert invoke(folder, *BASE).exit_code == 0
    before = (folder / "index" / "manifest.json").read_bytes()
    wrong = [part.replace("requests.jsonl", "wrong.jsonl") for part in BASE]
    result = invoke(folder, *wrong, "--dev-split", "dev")
    assert result.exit_code == 1
    assert "not saved" in result.stderr
    assert "--force" in result.stderr
    assert (folder / "index" / "manifest.json").read_bytes() == before
    forced = invoke(folder, *wrong, "--dev-split", "dev", "--force", "--json")
    assert forced.exit_code == 0
    assert json.loads(forced.stdout)["better"] is False
    assert (folder / "index" / "manifest.json").read_bytes() != before


def test_an_index_that_is_built_again_keeps_what_it_learned(folder: Path) -> None:
    assert invoke(folder, *BASE).exit_code == 0
    (folder / "agents" / "locksmith.md").write_text(
        "# locksmith: The Locksmith\n\n## Description\nOpens locked doors and safes.\n"
    )
    stale = invoke(folder, "match", "open the safe", "--index", "DIR/index")
    assert stale.exit_code == 1
    built = invoke(folder, "index", "DIR/agents", "-o", "DIR/index")
    assert built.exit_code == 0, built.output
    assert "what it learned is kept" in built.stderr
    for request, agent in (("open the locked safe", "locksmith"), ("oven dough glaze", "baker")):
        found = json.loads(
            invoke(folder, "match", request, "--index", "DIR/index", "--json").stdout
        )
        assert (found["matches"] + found["near_misses"])[0]["agent"] == agent


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--split", "test"), 1, "no request of the split 'test'; it has dev, train"),
        (("--split", "dev", "--dev-split", "dev"), 2, "must differ"),
        (("--requests", "DIR/nowhere.jsonl"), 1, "nowhere.jsonl: cannot be read"),
    ],
)
def test_wrong_usage(folder: Path, options: tuple[str, ...], code: int, message: str) -> None:
    result = invoke(folder, *BASE, *options)
    assert result.exit_code == code
    assert message in result.stderr
    assert not (folder / "index").exists()


def test_feedback_can_be_learned_from(folder: Path) -> None:
    for number in range(3):
        result = invoke(
            folder,
            *("feedback", f"oven dough {number}", "baker", "-a", "DIR/agents"),
            *("--file", "DIR/feedback.jsonl", "--json"),
        )
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout) == {
            "file": str(folder / "feedback.jsonl"),
            "request": f"oven dough {number}",
            "agents": ["baker"],
        }
    none = ("feedback", "sing", "--none", "-a", "DIR/agents", "--file", "DIR/feedback.jsonl")
    assert invoke(folder, *none).stdout == f"{folder / 'feedback.jsonl'}\n"
    result = invoke(folder, *BASE, "--requests", "DIR/feedback.jsonl", "--json")
    assert json.loads(result.stdout)["requests"] == 56


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("bakre",), 1, "did you mean baker"),
        ((), 2, "either AGENT or --none"),
        (("baker", "--none"), 2, "either AGENT or --none"),
    ],
)
def test_feedback_on_no_agent(
    folder: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = invoke(
        folder, "feedback", "x", *arguments, "-a", "DIR/agents", "--file", "DIR/feedback.jsonl"
    )
    assert result.exit_code == code
    assert message in result.stderr
    assert not (folder / "feedback.jsonl").exists()
