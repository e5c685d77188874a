"""Feedback: lines that never mix, in the format that tune and evaluate read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agentmatch.errors import InvalidRequestError
from agentmatch.evaluation.request_sets import read_requests
from agentmatch.feedback import FEEDBACK_VARIABLE, feedback_file, record_feedback


def test_what_is_recorded_is_a_request_set(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "feedback.jsonl"
    record_feedback("rotate the certificate", "network-engineer", file)
    record_feedback("two\nlines \u2028 and a lone \udcff", ["a", "b", "a"], file)
    record_feedback("sing a song", [], file)
    requests = read_requests(file)
    assert [request.agents for request in requests] == [("network-engineer",), ("a", "b"), ()]
    assert requests[1].text == "two\nlines \u2028 and a lone \udcff"
    assert {request.split for request in requests} == {"train"}
    assert len({request.id for request in requests}) == 3


def test_the_same_request_can_be_recorded_twice(tmp_path: Path) -> None:
    file = tmp_path / "feedback.jsonl"
    record_feedback("rotate the certificate", "a", file)
    record_feedback("rotate the certificate", "b", file)
    assert [request.agents for request in read_requests(file)] == [("a",), ("b",)]


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    file = tmp_path / "feedback.jsonl"
    file.write_text(json.dumps({"text": "by hand", "agents": ["a"]}), encoding="utf-8")
    record_feedback("recorded", "b", file)
    assert [request.text for request in read_requests(file)] == ["by hand", "recorded"]


def test_writers_at_the_same_time_never_mix_lines(tmp_path: Path) -> None:
    file = tmp_path / "feedback.jsonl"
    script = (
        "import sys\n"
        "from agentmatch.feedback import record_feedback\n"
        "for number in range(100):\n"
        "    record_feedback(f'{sys.argv[1]}-{number} ' + 'x' * 6000, sys.argv[1], sys.argv[2])\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, f"w{number}", str(file)])
        for number in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0] * 4
    requests = read_requests(file)
    assert len(requests) == 400
    for number in range(4):
        mine = [r.text.split()[0] for r in requests if r.agents == (f"w{number}",)]
        assert mine == [f"w{number}-{k}" for k in range(100)]


@pytest.mark.parametrize(("request_", "agents"), [(" ", "a"), ("x", ""), ("x", ["a", " "])])
def test_empty_feedback_is_refused(tmp_path: Path, request_: str, agents: str | list[str]) -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        record_feedback(request_, agents, tmp_path / "feedback.jsonl")
    assert not (tmp_path / "feedback.jsonl").exists()


def test_each_catalogue_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FEEDBACK_VARIABLE, raising=False)
    first, second = (
        feedback_file(tmp_path / "a" / "agents"),
        feedback_file(tmp_path / "b" / "agents"),
    )
    assert first != second
    assert first.name.startswith("agents-")
    assert not first.is_relative_to(tmp_path)
    monkeypatch.setenv(FEEDBACK_VARIABLE, str(tmp_path / "mine.jsonl"))
    assert feedback_file(tmp_path / "a") == tmp_path / "mine.jsonl"
