"""`match --team` and `evaluate --team` as a user sees them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agentmatch.cli import main
from agentmatch.cli.match import _asker, _stream
from agentmatch.evaluation.metrics import set_metrics
from agentmatch.evaluation.runs import Run
from agentmatch.matcher import AgentMatcher
from conftest import TRADES, HashingEncoder, trade, write_trades

REQUEST = "A tap drips all night, and then bake forty rolls for Sunday"


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("agentmatch.encoders.load_encoder", lambda model: HashingEncoder(model))
    monkeypatch.delenv("AGENTMATCH_AGENTS", raising=False)
    return write_trades(tmp_path / "agents")


def run(*arguments: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, (result.output, result.exception)
    return result


def test_json_says_who_does_which_part(agents: Path) -> None:
    answer = json.loads(run("match", "--team", REQUEST, "--agents", agents, "--json").stdout)
    assert answer["request"] == REQUEST
    assert [(member["agent"], member["part"]) for member in answer["team"]] == [
        ("plumber", "A tap drips all night"),
        ("baker", "bake forty rolls for Sunday"),
    ]
    for member in answer["team"]:
        assert member["rank"] == 1
        assert member["evidence"][0]["text"]
        (part,) = member["parts"]
        assert REQUEST[part["start"] : part["end"]] == part["text"] == member["part"]
    only = json.loads(
        run("match", "--team", REQUEST, "-k", "1", "--agents", agents, "--json").stdout
    )
    assert len(only["team"]) == 1


@pytest.mark.parametrize("width", [200, 80, 40])
def test_people_read_part_agent_and_reason(
    agents: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    output = run("match", "--team", REQUEST, "--agents", agents).stdout
    assert max(map(len, output.splitlines())) <= width
    assert output.index("plumber") < output.index("baker")
    assert "roofer" not in output


def test_a_stream_answers_with_teams(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "requests"
    file.write_text(f"{REQUEST}\n\n\u200b\nbake a cake\n", encoding="utf-8")
    matcher = AgentMatcher([trade(name) for name in TRADES], encoder=HashingEncoder())
    with file.open("rb") as stream:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
        assert _stream(_asker(matcher, 5, None, team=True), team=True) == 2
        answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [[member["agent"] for member in answer["team"]] for answer in answers]
    assert names == [["plumber", "baker"], [], [], ["baker"]]


def test_evaluate_scores_teams_as_sets(agents: Path, tmp_path: Path) -> None:
    rows = [
        {"id": "1", "text": REQUEST, "agents": ["plumber", "baker"], "tags": ["multi"]},
        {"id": "2", "text": "Bake a cake", "agents": ["baker"]},
        {"id": "3", "text": "Moss covers the lawn", "agents": ["roofer"]},
        {"id": "4", "text": "\u200b", "agents": ["roofer"]},
        {"id": "5", "text": "Sing a song", "agents": []},
    ]
    requests = tmp_path / "requests.jsonl"
    requests.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    file = tmp_path / "run.json"
    base = ("evaluate", "--agents", agents, "--requests", requests)
    output = run(*base, "--team", "-o", file, "--min", "team_f1=0.4").stdout
    assert "team_f1" in output
    saved = Run.load(file)
    expected = [set_metrics(entry.team or (), entry.gold)["set_f1"] for entry in saved.entries[:4]]
    assert expected == [1, 1, 0, 0]
    assert saved.metrics["team_f1"].value == pytest.approx(0.5)
    assert saved.metrics["team_exact"].value == pytest.approx(0.5)
    assert saved.by_tag[0].metrics["team_f1"].value == 1
    plain = tmp_path / "plain.json"
    run(*base, "-o", plain)
    assert Run.load(plain).entries[0].team is None
    assert "team_f1" not in Run.load(plain).metrics
    compared = json.loads(run("compare", plain, file, "--json").stdout)
    assert "team_f1" not in compared["differences"]
    same = json.loads(run("compare", file, file, "--json").stdout)
    assert same["differences"]["team_f1"]["difference"]["value"] == 0


def test_teams_need_labelled_requests(agents: Path) -> None:
    assert (
        "--requests"
        in run("evaluate", "--agents", agents, "--leave-one-out", "--team", status=2).stderr
    )


def test_only_a_server_that_is_asked_for_stands_in_the_way(
    agents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = ("match", "--team", REQUEST, "--agents", agents)
    url = "http://127.0.0.1:9"
    assert "no teams" in run(*base, "--server", url, status=2).stderr
    assert "--min-confidence" in run(*base, "--min-confidence", "0.5", status=2).stderr
    monkeypatch.setenv("AGENTMATCH_SERVER", url)
    assert "plumber" in run(*base).stdout
    monkeypatch.setenv("AGENTMATCH_AGENTS", str(agents))
    assert "plumber" in run("match", "--team", REQUEST).stdout
