"""Our tokeniser gives what the `tokenizers` library gives for the same file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from agentmatch.encoders.models import DEFAULT_MODEL, find_model
from agentmatch.encoders.wordpiece import WordPieceTokenizer

MAX_LENGTH = 256
NOTABLE = (
    "aZé\u0301\u0308\u0327ßİıΣςŉǅﬁﷺ½①'’“”…—–-_.,;:!?@#$%&*()[]{}<>/\\|^~`´§¶¿¡·€\u00a0\u00ad"
    "\t\n\r\x0b\x0c\x1c\x1f\x00\x85\x7f\ufffd\ufeff\ufe0f\u200b\u200d\u2028\u2029\u2060\u2066\u180e"
    "\u3000你好㐀𠀀𪜀𫠠𫤠𬺰豈丽한글ᄒ가ひらカナءأإ\u0651\u05d0\u05bc\u0915\u093c\u094d\u0e33"
    "👩👨🏽🇨🇭🙂☃✔️\ue000\U000f0000\U00100000\u0378\u1734\u166d\u20eb\u2e5d\u061d\U00010ead"
)
FRAGMENTS = (
    "[SEP]",
    "[CLS]",
    "[MASK]",
    "[UNK]",
    "[PAD]",
    "[sep]",
    "[[SEP]]",
    "##ing",
    "authentication",
    "unaffable",
    "x" * 100,
    "y" * 101,
    "naïve café",
    "👩‍👩‍👧‍👦",
    "2026-11-25T01:54:34Z ERROR [worker-3]",
)

texts = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.text(st.sampled_from(NOTABLE), max_size=20),
        st.sampled_from(FRAGMENTS),
        st.text(st.characters(categories=["Mn", "Mc", "Cf", "Cc", "Co", "P", "Lo"]), max_size=10),
    ),
    max_size=12,
).map("".join)


def default_file() -> Path:
    return find_model(DEFAULT_MODEL) / "tokenizer.json"


def library(file: Path, max_length: int) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


@pytest.fixture(scope="module")
def ours() -> WordPieceTokenizer:
    return WordPieceTokenizer(default_file(), MAX_LENGTH)


@pytest.fixture(scope="module")
def theirs() -> Tokenizer:
    return library(default_file(), MAX_LENGTH)


@given(texts)
@settings(max_examples=600, deadline=None)
def test_any_text_has_the_same_tokens(
    ours: WordPieceTokenizer, theirs: Tokenizer, text: str
) -> None:
    assert ours.encode([text]) == [theirs.encode(text).ids]


def test_every_kind_of_character_has_the_same_tokens(
    ours: WordPieceTokenizer, theirs: Tokenizer
) -> None:
    rare = random.Random(0).sample(range(0x3000, 0x110000), 6000)
    for code in [*range(0x3000), *rare, *range(0xF900, 0x10000), *range(0x1F300, 0x1FB00)]:
        if not 0xD800 <= code < 0xE000:
            text = f"a{chr(code)}b {chr(code)}{chr(code)}"
            assert ours.encode([text]) == [theirs.encode(text).ids], hex(code)


@pytest.mark.parametrize(
    "text",
    ["", " ", "word " * 5000, "x" * 100_000, "[SEP]" * 400, "一" * 3000, "\u0301" * 3000],
    ids=["empty", "space", "words", "letters", "special", "ideographs", "marks"],
)
def test_long_and_empty_texts(ours: WordPieceTokenizer, theirs: Tokenizer, text: str) -> None:
    (tokens,) = ours.encode([text])
    assert tokens == theirs.encode(text).ids
    assert 2 <= len(tokens) <= MAX_LENGTH


def test_the_padding_and_truncation_of_the_file_are_ignored(ours: WordPieceTokenizer) -> None:
    shipped = json.loads(default_file().read_text())
    assert shipped["padding"]["strategy"] == {"Fixed": 128}
    assert shipped["truncation"]["max_length"] == 128
    assert len(ours.encode(["hello"])[0]) == 3
    assert len(ours.encode(["hello " * 300])[0]) == MAX_LENGTH


def test_lone_surrogates_are_dropped(ours: WordPieceTokenizer) -> None:
    assert ours.encode(["log\udcffin", "\ud800"]) == ours.encode(["login", ""])
    assert ours.encode(["\ud800 \u1734"]) == ours.encode(["\u1734"])


def edited(tmp_path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    specification = json.loads(default_file().read_text())
    edit(specification)
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(specification))
    return file


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False, None])
@pytest.mark.parametrize("ideographs", [True, False])
def test_other_settings_of_the_normaliser(
    tmp_path: Path, lowercase: bool, strip_accents: bool | None, ideographs: bool
) -> None:
    choice = {
        "lowercase": lowercase,
        "strip_accents": strip_accents,
        "handle_chinese_chars": ideographs,
    }
    file = edited(tmp_path, lambda specification: specification["normalizer"].update(choice))
    ours, theirs = WordPieceTokenizer(file, 64), library(file, 64)

    @given(texts)
    @settings(max_examples=60, deadline=None)
    def check(text: str) -> None:
        assert ours.encode([text]) == [theirs.encode(text).ids]

    check()


def _lstrip(specification: dict[str, Any]) -> None:
    specification["added_tokens"][4]["lstrip"] = True


@pytest.mark.parametrize(
    "edit",
    [
        lambda specification: specification["model"].update(type="BPE"),
        lambda specification: specification["model"].update(continuing_subword_prefix="@@"),
        lambda specification: specification["normalizer"].update(type="NFKC"),
        lambda specification: specification["normalizer"].update(clean_text=False),
        lambda specification: specification.update(normalizer=None),
        lambda specification: specification.update(pre_tokenizer={"type": "Whitespace"}),
        lambda specification: specification.update(post_processor=None),
        _lstrip,
    ],
)
def test_other_kinds_of_tokeniser_are_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        WordPieceTokenizer(edited(tmp_path, edit), 64)
