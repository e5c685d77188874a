"""Splitting requests: where writers mark a new job, and where nothing may be cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentmatch.splitting import MAX_REQUEST_PARTS, split_request

JOINING_WORDS = """
    and but also plus then as well additionally furthermore moreover finally lastly separately
    meanwhile afterward afterwards next in addition besides that p s ps apart aside from on top
    of it this after while you re are at a second step first third fourth firstly secondly
    thirdly fourthly the other last thing job task request question topic is something else
    another one more
"""


def texts(request: str) -> list[str]:
    return [part.text for part in split_request(request)]


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        (
            "Fix the flaky login test. Write the release notes for 2.0!",
            ["Fix the flaky login test.", "Write the release notes for 2.0!"],
        ),
        (
            "Fix the flaky login test and write the release notes",
            ["Fix the flaky login test", "write the release notes"],
        ),
        (
            "Fix the flaky login test, and then rotate the TLS certificates",
            ["Fix the flaky login test", "rotate the TLS certificates"],
        ),
        (
            "What is the weather in Paris? Also, can you find me a hotel?",
            ["What is the weather in Paris?", "can you find me a hotel?"],
        ),
        (
            "price the new plan; draw the upgrade screen; tell all customers",
            ["price the new plan", "draw the upgrade screen", "tell all customers"],
        ),
        (
            "For our shop:\n- a privacy policy\n- a new logo\n",
            ["For our shop:", "a privacy policy", "a new logo"],
        ),
        (
            "1. Speed up the nightly job\n2) Write tests for it",
            ["Speed up the nightly job", "Write tests for it"],
        ),
        (
            "Two jobs: (a) speed up the nightly run (b) document the API for partners",
            ["Two jobs: (a) speed up the nightly run", "document the API for partners"],
        ),
        (
            "Build the importer.\n\nPlus a dashboard for the numbers",
            ["Build the importer.", "a dashboard for the numbers"],
        ),
        (
            "How do I shard Postgres, and what does it cost us?",
            ["How do I shard Postgres", "what does it cost us?"],
        ),
        (
            "Der Server ist langsam. Wer kann das Logo neu zeichnen?",
            ["Der Server ist langsam.", "Wer kann das Logo neu zeichnen?"],
        ),
        (
            "\u8bf7\u4fee\u590d\u767b\u5f55\u9519\u8bef\u3002\u8bf7\u5199\u53d1\u5e03\u8bf4\u660e\u3002",
            [
                "\u8bf7\u4fee\u590d\u767b\u5f55\u9519\u8bef\u3002",
                "\u8bf7\u5199\u53d1\u5e03\u8bf4\u660e\u3002",
            ],
        ),
        (
            '"Show me papers on solar cells. Also suggest a hotel in Oslo."',
            ['"Show me papers on solar cells.', 'suggest a hotel in Oslo."'],
        ),
    ],
)
def test_jobs_are_told_apart(request_text: str, expected: list[str]) -> None:
    assert texts(request_text) == expected


@pytest.mark.parametrize(
    "request_text",
    [
        "Implement user authentication with JWT",
        "Write the parser and test it",
        "Give read and write access to the bucket",
        "Compare approx. 20 tools, e.g. Terraform vs. Pulumi",
        "Why does `a; b` fail and `make build` not?",
        "Explain the message 'Connection lost. Please try again later.' to me",
        'Who wrote "Fix the test. Write the docs. Go home now."',
        "Summarise https://example.org/a;b.html?q=write+the+docs please",
        "Mend this:\n```\nx = 1; y = 2\nprint(x). And then write(y)\n```",
        "```\nfoo(); bar()\n```\nWhy does it hang?",
        "Why?\n2024-05-01 12:00:01 ERROR disk full. Please write less\n"
        "2024-05-01 12:00:02 INFO also retrying; then stopping now",
        'Traceback (most recent call last):\n  File "a.py", line 3, in run\n'
        "KeyError: write the docs. fix it\nWhat is wrong?",
        "Redraw the logo (keep the owl; also drop the old font and fix the colours)",
        "?!",
    ],
)
def test_what_is_one_job_stays_whole(request_text: str) -> None:
    (part,) = split_request(request_text)
    assert part.text == request_text.strip()


def test_an_empty_request_has_no_part() -> None:
    assert split_request(" \n ") == ()


def test_boundaries_are_named() -> None:
    request = (
        "The build is red. Fix the broken test, and write the release notes\n"
        "- draw a new icon\nAlso rotate all the keys"
    )
    assert [part.boundary for part in split_request(request)] == [
        "start",
        "sentence",
        "clause",
        "list",
        "connective",
    ]


def test_a_very_long_request_has_a_bounded_number_of_parts() -> None:
    request = "Write one more page now. " * 2000
    parts = split_request(request)
    assert len(parts) == MAX_REQUEST_PARTS
    assert parts[-1].end == len(request.rstrip())


@pytest.mark.parametrize(
    "piece", ["\n", " ", "a, ", "and ", "x.\n", "a.b=", "(", "`", "'a ", "1. "]
)
def test_long_requests_of_one_mark_are_read_in_time(piece: str) -> None:
    # Patterns that try every end of a run from every start would need hours.
    assert len(split_request(piece * 30_000 + "x")) <= MAX_REQUEST_PARTS


PIECES = st.sampled_from(
    [
        "Fix the test",
        "write the docs now",
        " and ",
        "; ",
        ". ",
        "\n- ",
        "\n",
        "also ",
        ", then ",
        '"',
        "(",
        ")",
        "`",
        "```",
        "1. ",
        "(a) ",
        "\u3002",
        "https://a.b/c ",
        "\n    x = 1;\n",
        "?",
        "\u00e9",
        "\u200b",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=14).map("".join)))
@example("also ")
@example("- a\n- b")
@example("```\nx\n```")
def test_parts_cover_the_request_in_order_without_overlap(request_text: str) -> None:
    parts = split_request(request_text)
    place = 0
    for part in parts:
        assert request_text[part.start : part.end] == part.text
        assert part.text == part.text.strip() != ""
        assert place <= part.start < part.end
        place = part.end
    gaps = [
        request_text[before:after]
        for before, after in zip(
            [0, *(part.end for part in parts)],
            [*(part.start for part in parts), len(request_text)],
            strict=True,
        )
    ]
    if len(parts) < 2:
        assert not "".join(gaps).strip()
        assert len(parts) == bool(request_text.strip())
    for gap in gaps:
        for word in re.findall(r"\w+", gap):
            # A list mark has a letter or a number; all other words only join.
            mark = re.fullmatch(r"[A-Za-z]|[ivx]+|\d{1,2}", word, re.IGNORECASE)
            assert mark or word.lower() in JOINING_WORDS.split()
