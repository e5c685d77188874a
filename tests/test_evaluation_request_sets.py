"""Reading labelled requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentmatch.errors import InvalidRequestError, RequestSetError, UnknownAgentError
from agentmatch.evaluation.request_sets import (
    LabelledRequest,
    read_requests,
    require_known_agents,
)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_json_lines(tmp_path: Path) -> None:
    file = write(
        tmp_path / "requests.jsonl",
        lines(
            {"id": "a", "text": "Fix it", "agents": ["x", "y", "x"], "split": "dev", "tags": ["t"]},
            {"text": "Do it", "agents": "x", "note": "ignored"},
        )
        + "\n"
        + lines({"id": 7, "text": "None\u2028fits", "agents": [], "tags": "t"}),
    )
    assert read_requests(file) == (
        LabelledRequest("a", "Fix it", ("x", "y"), "dev", ("t",)),
        LabelledRequest("2", "Do it", ("x",)),
        LabelledRequest("7", "None\u2028fits", (), "", ("t",)),
    )


@pytest.mark.parametrize(
    "header", ["text,agents", "Request, Expected_Agent ", "query,agent", "text,expected"]
)
def test_table(tmp_path: Path, header: str) -> None:
    file = write(
        tmp_path / "requests.csv",
        f'{header}\r\n"Fix it,\nnow",x; y\r\nDo it,x\r\n\r\nNone fits,\r\n',
    )
    assert [(item.id, item.text, item.agents) for item in read_requests(file)] == [
        ("2", "Fix it,\nnow", ("x", "y")),
        ("4", "Do it", ("x",)),
        ("6", "None fits", ()),
    ]


def test_table_with_every_column(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.tsv", "id\ttext\tagents\tsplit\ttags\nq1\tFix\tx\ttest\tshort;typo\n"
    )
    assert read_requests(file) == (LabelledRequest("q1", "Fix", ("x",), "test", ("short", "typo")),)


def test_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", b"\xef\xbb\xbftext,agent\nFix,x\n")
    assert read_requests(file)[0].text == "Fix"


def test_all_malformed_lines_are_named(tmp_path: Path) -> None:
    file = write(
        tmp_path / "requests.jsonl",
        lines({"id": "a", "text": "Fix it", "agents": ["x"]})
        + "{not json\n"
        + lines(
            ["a list"],
            {"text": " ", "agents": []},
            {"text": "Fix it"},
            {"text": "Fix it", "agents": [1]},
            {"id": "a", "text": "Fix it", "agents": []},
            {"id": 1.5, "text": "Fix it", "agents": []},
            {"text": "Fix it", "agents": [], "split": 3},
            {"text": "Fix it", "agents": [], "tags": {"a": 1}},
        )
        + "[" * 100_000
        + "\n",
    )
    with pytest.raises(RequestSetError) as caught:
        read_requests(file)
    message = str(caught.value)
    assert caught.value.line == 2
    assert caught.value.path == file
    assert "10 lines are malformed" in message
    for line in range(2, 12):
        assert f"line {line}: " in message
    assert "the id 'a' is that of line 1" in message


def test_malformed_lines_beyond_ten_are_counted(tmp_path: Path) -> None:
    file = write(tmp_path / "requests.jsonl", "nonsense\n" * 13)
    with pytest.raises(RequestSetError, match=r"13 lines .*line 10: .*; and 3 more$"):
        read_requests(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,agents\nFix\n", "line 2: 1 cells under 2 column names"),
        ('text,agents\n"Fix,x\n', "line 2: not a valid table row"),
        ("text,owner\nFix,x\n", "line 1: no column for the agents"),
        ("words,agent\nFix,x\n", "line 1: no column for the request"),
        ("text,agents\n", "holds no request"),
        (b"text,agents\nFi\xffx,x\n", "line 2: not valid UTF-8"),
    ],
)
def test_unusable_table(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(RequestSetError, match=message):
        read_requests(write(tmp_path / "requests.csv", content))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RequestSetError, match="cannot be read: No such file"):
        read_requests(tmp_path / "nowhere.jsonl")


def numbered(tmp_path: Path) -> Path:
    records = [
        {"id": str(n), "text": f"Task {n}", "agents": ["x"], "split": "test" if n % 2 else "dev"}
        for n in range(40)
    ]
    return write(tmp_path / "requests.jsonl", lines(*records))


def test_split(tmp_path: Path) -> None:
    file = numbered(tmp_path)
    assert [item.id for item in read_requests(file, split="test")][:3] == ["1", "3", "5"]
    with pytest.raises(RequestSetError, match="no request of the split 'train'; it has dev, test"):
        read_requests(file, split="train")


def test_limit_draws_by_seed_and_keeps_the_order(tmp_path: Path) -> None:
    file = numbered(tmp_path)
    ids = [int(item.id) for item in read_requests(file, limit=10, seed=1)]
    assert len(ids) == 10
    assert ids == sorted(ids)
    assert ids == [int(item.id) for item in read_requests(file, limit=10, seed=1)]
    assert ids != [int(item.id) for item in read_requests(file, limit=10, seed=2)]
    assert len(read_requests(file, limit=99)) == 40
    with pytest.raises(InvalidRequestError):
        read_requests(file, limit=0)


def test_unknown_agents_are_all_named_with_near_ones() -> None:
    requests = [
        LabelledRequest("1", "Fix", ("backend-enginer",)),
        LabelledRequest("2", "Fix", ("backend-engineer", "zzz")),
        LabelledRequest("3", "Fix", ("zzz",)),
    ]
    with pytest.raises(UnknownAgentError) as caught:
        require_known_agents(requests, {"backend-engineer", "designer"}, "set.jsonl")
    message = str(caught.value)
    assert message.startswith("set.jsonl: 2 labels are no agents")
    assert "'backend-enginer' (request 1; did you mean backend-engineer?)" in message
    assert "'zzz' (request 2 and 1 more)" in message
    require_known_agents(requests, {"backend-engineer", "backend-enginer", "zzz"})
