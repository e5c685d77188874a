"""The command line as a user sees it: output, exit status, messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agentmatch.cli import main
from agentmatch.version import __version__
from conftest import TRADES, HashingEncoder, write_trades

REQUEST = "A tap drips in the kitchen"


@pytest.fixture(autouse=True)
def cheap_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands encode with the cheap encoder; one test below uses the real one."""
    monkeypatch.setattr(
        "agentmatch.encoders.load_encoder",
        lambda model: HashingEncoder(model),
    )
    monkeypatch.delenv("AGENTMATCH_AGENTS", raising=False)


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    return write_trades(tmp_path / "agents")


def run(*arguments: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, (result.output, result.exception)
    return result


def documents(result: Result) -> Any:
    return json.loads(result.stdout)


def test_match_prints_agents_with_evidence(agents: Path) -> None:
    output = run("match", REQUEST, "--agents", agents, "-k", "2").stdout
    lines = output.splitlines()
    assert lines[0].split() == ["#", "agent", "confidence", "because"]
    assert lines[1].split()[:2] == ["1", "plumber"]
    assert "A tap drips all night" in " ".join(output.split())
    assert sum(name in output for name in TRADES) == 2


def test_match_prints_json(agents: Path) -> None:
    answer = documents(run("match", REQUEST, "--agents", agents, "--json"))
    assert answer["request"] == REQUEST
    assert [match["rank"] for match in answer["matches"]] == [1, 2, 3, 4, 5]
    best = answer["matches"][0]
    assert best["agent"] == "plumber"
    assert best["score"] > answer["matches"][1]["score"]
    assert best["evidence"][0]["section"] == "when_to_use"
    assert best["evidence"][0]["text"] == "A tap drips all night"
    assert -1 <= best["evidence"][0]["similarity"] <= 1


@pytest.mark.parametrize("width", [200, 80, 40])
def test_tables_fit_the_terminal(agents: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for arguments in (["match", REQUEST], ["explain", REQUEST, "baker"], ["list"]):
        output = run(*arguments, "--agents", agents).stdout
        assert max(map(len, output.splitlines())) <= width
        assert "plumber" in output


def stream(agents: Path, text: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from conftest import HashingEncoder\n"
        "import agentmatch.encoders as module\n"
        "module.load_encoder = lambda model: HashingEncoder(model)\n"
        "from agentmatch.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    command = ["match", "-", "--agents", str(agents), "-k", "1", *options]
    arguments = [sys.executable, "-c", script, *command]
    return subprocess.run(arguments, input=text, capture_output=True, check=False)


def test_requests_are_read_from_stdin_a_line_each(agents: Path) -> None:
    done = stream(agents, b"tap drips\r\nbake a cake\xff\n\nslates slipped")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["request"] for answer in answers] == [
        "tap drips",
        "bake a cake\ufffd",
        "",
        "slates slipped",
    ]
    names = [[match["agent"] for match in answer["matches"]] for answer in answers]
    assert names == [["plumber"], ["baker"], [], ["roofer"]]
    assert "empty" in answers[2]["error"]
    assert done.returncode == 1


def test_many_requests_are_streamed(agents: Path) -> None:
    done = stream(agents, b"tap drips\n" * 3000)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 3000
    assert len(set(lines)) == 1


def test_explain(agents: Path) -> None:
    text = run("explain", REQUEST, "baker", "--agents", agents).stdout
    assert "baker ranks" in text
    assert "Agents ahead of it" in text
    answer = documents(run("explain", REQUEST, "baker", "--agents", agents, "--json"))
    assert answer["agent"] == "baker"
    assert answer["agents"] == len(TRADES)
    assert answer["rivals"][0]["agent"] == "plumber"
    assert sum(signal["share"] for signal in answer["signals"]) == pytest.approx(
        answer["score"], abs=1e-4
    )
    failed = run("explain", REQUEST, "bakr", "--agents", agents, status=1)
    assert "did you mean baker" in failed.stderr


def test_list(agents: Path) -> None:
    rows = documents(run("list", "--agents", agents, "--json"))
    assert [row["name"] for row in rows] == sorted(TRADES)
    assert rows[0] == {
        "name": "baker",
        "title": "The Baker",
        "path": str(agents / "baker.md"),
        "passages": {
            "name": 1,
            "whole_text": 1,
            "description": 1,
            "when_to_use": 1,
            "example_tasks": 1,
        },
    }
    assert all(name in run("list", "--agents", agents).stdout for name in TRADES)


def test_show(agents: Path) -> None:
    assert "Bake forty rolls" in run("show", "baker", "--agents", agents).stdout
    shown = documents(run("show", "baker", "--agents", agents, "--json"))
    assert shown["when_to_use"] == ["A party needs a cake"]
    failed = run("show", "bakr", "--agents", agents, status=1)
    assert "did you mean baker" in failed.stderr


def test_check(agents: Path) -> None:
    (agents / "bad.md").write_text("---\nname: [unclosed\ndescription: x\n---\n")
    (agents / "copy.md").write_text("# baker: Again\n\n## Description\nBakes other breads too.\n")
    failed = run("check", agents, status=1)
    assert "duplicate-name" in failed.stdout
    report = documents(run("check", agents, "--json", status=1))
    assert report["errors"] >= 1
    assert {problem["code"] for problem in report["problems"]} >= {"duplicate-name"}
    (agents / "bad.md").unlink()
    (agents / "copy.md").unlink()
    run("check", agents)
    run("check", agents, "--strict")
    (agents / "mason.md").write_text("# mason: Mason\n\n## Description\nBricks.\n")
    run("check", agents)
    run("check", agents, "--strict", status=1)


def test_check_names_the_lines_of_shared_examples(agents: Path) -> None:
    text = (agents / "baker.md").read_text()
    (agents / "confectioner.md").write_text(
        text.replace("# baker: The Baker", "# confectioner: Confectioner").replace(
            "Bakes bread, rolls and cakes.", "Makes sweets, ice and chocolate for fairs."
        )
    )
    report = documents(run("check", agents, "--json"))
    shared = next(entry for entry in report["problems"] if entry["code"] == "shared-example")
    number = text.splitlines().index('- "Bake forty rolls for Sunday"') + 1
    assert shared["line"] == number
    assert f"baker.md:{number}" in shared["message"]


def test_index_and_info(agents: Path, tmp_path: Path) -> None:
    saved = run("index", agents, "-o", tmp_path / "index")
    assert not saved.stdout
    assert f"{len(TRADES)} agents" in saved.stderr
    facts = documents(run("info", "--index", tmp_path / "index", "--json"))
    assert facts["agentmatch"] == __version__
    assert facts["index"]["agents"] == len(TRADES)
    assert facts["index"]["passages"] == len(TRADES) * 5
    (agents / "roofer.md").unlink()
    facts = documents(run("info", "--index", tmp_path / "index", "--json"))
    assert facts["index"]["state"] == "older than the catalogue's files"
    (tmp_path / "index" / "manifest.json").write_text("{")
    facts = documents(run("info", "--index", tmp_path / "index", "--json"))
    assert facts["index"]["state"].startswith("unusable")


def test_files_with_errors_are_mentioned_and_the_others_answer(agents: Path) -> None:
    (agents / "again.md").write_text("# baker: Again\n\n## Description\nBakes more bread.\n")
    result = run("match", REQUEST, "--agents", agents, "--json")
    assert documents(result)["matches"][0]["agent"] == "plumber"
    assert "agentmatch check" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["match"], 2, "Missing argument"),
        (["match", "x", "-k", "0"], 2, "not in the range"),
        (["match", "", "--agents", "AGENTS"], 1, "the request is empty"),
        (["match", "x", "--agents", "nowhere"], 1, "no such file or folder"),
        (["match", "x", "--agents", "EMPTY"], 1, "no agents found"),
        (["match", "x", "--index", "EMPTY"], 1, "agentmatch index"),
        (["match", "x", "--index", "EMPTY", "--agents", "AGENTS"], 2, "--index brings its own"),
        (["match", "x"], 2, "--agents builtin"),
        (["index", "AGENTS"], 2, "--output"),
        (["index", "AGENTS", "-o", "AGENTS"], 1, "holds other files"),
        (["show", "x", "--agents", "nowhere"], 1, "no such file or folder"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_failures_are_one_clear_line(
    arguments: Sequence[str],
    status: int,
    message: str,
    agents: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setenv("HOME", str(empty))
    places = {"AGENTS": str(agents), "EMPTY": str(empty)}
    result = run(*[places.get(argument, argument) for argument in arguments], status=status)
    assert message in result.stderr
    assert not result.stdout
    assert "Traceback" not in result.stderr


def test_the_default_catalogue(
    agents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    write_trades(home / ".claude" / "agents", ["roofer"])
    monkeypatch.setenv("HOME", str(home))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def found() -> list[str]:
        return [row["name"] for row in documents(run("list", "--json"))]

    assert found() == ["roofer"]
    write_trades(work / ".claude" / "agents", ["baker"])
    assert found() == ["baker"]
    write_trades(work / "agents", ["plumber"])
    assert found() == ["plumber"]
    monkeypatch.setenv("AGENTMATCH_AGENTS", str(agents))
    assert found() == sorted(TRADES)


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_help_ends_with_an_example(name: str) -> None:
    text = run(name, "-h").stdout.strip()
    assert text.splitlines()[-1].startswith("Example: agentmatch " + name) or (
        f"Example: agentmatch {name}" in " ".join(text.split())
    )


def test_version_and_module() -> None:
    assert run("--version").stdout == f"agentmatch, version {__version__}\n"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "agentmatch", "--version"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert __version__ in done.stdout


def test_a_closed_pipe_is_no_error(agents: Path) -> None:
    command = f"{sys.executable} -m agentmatch list --agents {agents} --json | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[\n"
    assert not done.stderr


def test_a_bar_that_none_reaches_is_no_failure(agents: Path) -> None:
    result = run("match", REQUEST, "--agents", agents, "--min-confidence", "1", "--json")
    answer = documents(result)
    assert answer["abstained"] is True
    assert answer["matches"] == []
    assert [match["rank"] for match in answer["near_misses"]] == [1, 2, 3, 4, 5]
    assert 0 <= answer["confidence_none"] <= 1
    assert "no agent fits (plumber is nearest with" in result.stderr


def test_near_misses_are_shown(agents: Path) -> None:
    output = run("match", REQUEST, "--agents", agents, "--min-confidence", "1").stdout
    assert output.splitlines()[0] == "Near misses"
    assert "plumber" in output


def test_confidences_are_shown(agents: Path) -> None:
    answer = documents(run("match", REQUEST, "--agents", agents, "--json"))
    assert answer["abstained"] is False
    assert answer["near_misses"] == []
    best = answer["matches"][0]
    table = run("match", REQUEST, "--agents", agents).stdout
    assert f"{best['confidence']:.0%}" in table.splitlines()[1]
    explained = run("explain", REQUEST, "plumber", "--agents", agents).stdout
    assert f"Confidence {best['confidence']:.0%} that it is a right agent" in explained


def test_lines_of_standard_input_have_the_bar(agents: Path) -> None:
    done = stream(agents, f"{REQUEST}\n\n".encode(), "--min-confidence", "1")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["abstained"] is True
    assert second["error"] == "the line is empty"
    assert "abstained" not in second
