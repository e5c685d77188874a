"""Words as the lexical index counts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmatch.tokens import tokenize


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("getUserById", ["getuserbyid", "get", "user", "id"]),
        ("user_id HTTPServer", ["user", "id", "httpserver", "http", "server"]),
        ("Testing tested TESTS", ["test", "test", "test"]),
        ("C++ and C# but not c", ["c++", "c#", "not", "c"]),
        ("PostgreSQL 16.2", ["postgresql", "postgr", "sql", "16", "2"]),
        ("how do I fix this", ["fix"]),
        ("数据库迁移", ["数据", "据库", "库迁", "迁移"]),
        ("ＡＰＩ naïve Straße", ["api", "naïve", "straße"]),
        ("🙂 …", []),
    ],
)
def test_tokenize(text: str, expected: list[str]) -> None:
    assert tokenize(text) == expected


@given(st.text())
def test_terms_are_clean_for_any_text(text: str) -> None:
    for term in tokenize(text):
        assert term
        assert not any(character.isspace() or character == "_" for character in term)
