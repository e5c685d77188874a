"""Requests as they are encoded, and agents that they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmatch.errors import InvalidRequestError
from agentmatch.mentions import NameMentions
from agentmatch.requests import MAX_PARTS, prepare_request

NAMES = ["code-reviewer", "order", "C# Expert", "meal suggestion", "AI2sql", "dba"]


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("  fix\tthe\nbuild ", "fix the build"),
        ("nul\x00 and bell\x07", "nul and bell"),
        ("a\ufeffb\u200bc", "abc"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("📉 down", "📉 down"),
        ("修复构建", "修复构建"),
    ],
)
def test_requests_are_cleaned(request_text: str, expected: str) -> None:
    prepared = prepare_request(request_text)
    assert prepared.text == expected
    assert prepared.parts == (expected,)
    assert not prepared.warnings


@pytest.mark.parametrize("request_text", ["", " \n\t", "\x00\x01", "\ufeff"])
def test_empty_requests_are_refused(request_text: str) -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        prepare_request(request_text)


def test_only_strings_are_requests() -> None:
    with pytest.raises(InvalidRequestError, match="must be a string, not NoneType"):
        prepare_request(None)  # type: ignore[arg-type]


def test_long_requests_are_read_in_parts_without_loss() -> None:
    words = [f"word{number}" for number in range(500)]
    prepared = prepare_request(" ".join(words))
    assert len(prepared.parts) > 1
    assert " ".join(prepared.parts).split() == words
    assert "read in" in prepared.warnings[0]


def test_very_long_requests_are_cut_with_a_warning() -> None:
    prepared = prepare_request("lorem ipsum dolor " * 20_000)
    assert len(prepared.parts) == MAX_PARTS
    assert "only its first" in prepared.warnings[0]


def test_text_without_spaces_is_cut_too() -> None:
    prepared = prepare_request("数" * 1000)
    assert len(prepared.parts) > 1
    assert "".join(prepared.parts).replace(" ", "") == "数" * 1000


@given(st.text())
def test_any_text_is_prepared_or_refused(text: str) -> None:
    try:
        prepared = prepare_request(text)
    except InvalidRequestError:
        return
    assert prepared.text.strip() == prepared.text != ""
    prepared.text.encode("utf-8")
    assert all(prepared.parts)


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("ask code-reviewer to look", ["code-reviewer"]),
        ("Ask the Code-Reviewer, please", ["code-reviewer"]),
        ("use `code-reviewer`!", ["code-reviewer"]),
        ("@order for me", ["order"]),
        ("order pizza", []),
        ("the C# Expert should do it", ["C# Expert"]),
        ("a meal suggestion please", []),
        ("@meal suggestion", ["meal suggestion"]),
        ("does AI2sql know", ["AI2sql"]),
        ("code reviewers are slow", []),
        ("dba and @dba", ["dba"]),
        ("@code-reviewer and @order", ["code-reviewer", "order"]),
    ],
)
def test_names_in_requests(request_text: str, expected: list[str]) -> None:
    found = NameMentions(NAMES).find(request_text)
    assert [NAMES[position] for position in found] == expected
