"""Turn text into the token numbers of a BERT model, without loading a tokeniser library.

Gives exactly what the `tokenizers` library gives for the same `tokenizer.json`, whose
import and set-up would take longer than encoding a request. Method: BERT's basic
tokenisation (Devlin et al., 2019) and greedy longest-match WordPiece.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD_CACHE = 1 << 15
"""Words whose pieces are remembered."""

# As `tokenizers` has them, including 2B920 where Unicode has 2B820.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPieceTokenizer:
    """Tokenise as BERT does.

    Args:
        file: A `tokenizer.json` with BERT's normaliser and pre-tokeniser and a
            WordPiece vocabulary. Its truncation and padding are ignored.
        max_length: Tokens kept of a text, the two that frame it included.

    Attributes:
        normalizer: The settings of the normaliser.

    Raises:
        ValueError: The file describes another kind of tokeniser.
    """

    def __init__(self, file: Path, max_length: int) -> None:
        specification = json.loads(file.read_text(encoding="utf-8"))
        _require_plain(specification)
        self.normalizer: dict[str, Any] = specification["normalizer"]
        model = specification["model"]
        self._file = file
        self._max_length = max_length
        self._vocabulary: dict[str, int] = model["vocab"]
        self._unknown = self._vocabulary[model["unk_token"]]
        self._max_word = model["max_input_chars_per_word"]
        self._prefix, self._suffix = _frame(specification["post_processor"])
        self._special = {token["content"]: token["id"] for token in specification["added_tokens"]}
        longest_first = sorted(self._special, key=len, reverse=True)
        self._special_pattern = re.compile(f"({'|'.join(map(re.escape, longest_first))})")
        lower = self.normalizer["lowercase"]
        strip = self.normalizer["strip_accents"]
        self._strip_accents = lower if strip is None else strip
        self._clean = _Clean(self.normalizer["handle_chinese_chars"])
        self._fold = _Fold(lower, self._strip_accents)
        self._pieces = lru_cache(WORD_CACHE)(self._split_word)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token numbers of each text, framed by [CLS] and [SEP] and truncated."""
        return [self._encode(text) for text in texts]

    def _encode(self, text: str) -> list[int]:
        room = self._max_length - len(self._prefix) - len(self._suffix)
        try:
            return self._prefix + self._tokens(text, room)[:room] + self._suffix
        except _UnsureError:
            return self._library.encode(text.encode("utf-8", "ignore").decode()).ids

    def _tokens(self, text: str, room: int) -> list[int]:
        tokens: list[int] = []
        for part in self._special_pattern.split(text) if self._special else [text]:
            if part in self._special:
                tokens.append(self._special[part])
                continue
            for word in self._normalise(part).split():
                tokens.extend(self._pieces(word))
                if len(tokens) >= room:
                    return tokens
        return tokens

    def _normalise(self, text: str) -> str:
        text = text.translate(self._clean)
        if self._strip_accents:
            text = unicodedata.normalize("NFD", text)
        return text.translate(self._fold)

    def _split_word(self, word: str) -> tuple[int, ...]:
        if len(word) > self._max_word:
            return (self._unknown,)
        pieces = []
        start, mark = 0, ""
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self._vocabulary.get(mark + word[start:end])
                if piece is not None:
                    break
            else:
                return (self._unknown,)
            pieces.append(piece)
            start, mark = end, "##"
        return tuple(pieces)

    @cached_property
    def _library(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._file))
        # The default model's file pads every text to 128 tokens and cuts it there.
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._max_length)
        return tokenizer


class _UnsureError(Exception):
    """Say that a character may be of another class for `tokenizers` than for Python."""


class _Clean(dict[int, str]):
    """Map characters as BERT's clean-up does, filled as they come up."""

    def __init__(self, separate_ideographs: bool) -> None:
        self._separate = separate_ideographs

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in "\t\n\r":
            clean = " "
        elif _group(character) == "C" or character == "\ufffd":
            clean = ""
        elif character.isspace():
            clean = " "
        elif self._separate and any(first <= code <= last for first, last in _IDEOGRAPHS):
            clean = f" {character} "
        else:
            clean = character
        self[code] = clean
        return clean


class _Fold(dict[int, str]):
    """Lower characters, drop accents and set punctuation apart, filled as they come up."""

    def __init__(self, lower: bool, strip_accents: bool) -> None:
        self._lower = lower
        self._strip = strip_accents

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = character.lower() if self._lower else character
        if self._strip and _group(character) == "Mn":
            folded = ""
        elif _group(character) == "P":
            folded = f" {folded} "
        self[code] = folded
        return folded


def _group(character: str) -> str:
    """Return C (control, format, private), Mn (mark), P (punctuation) or "" (all else).

    `tokenizers` knows the Unicode of 2015 and takes later characters for letters. A
    character that is in the same group today as in Unicode 3.2 is in it for both.

    Raises:
        _UnsureError: It is not.
    """
    if character.isascii():
        if character.isalnum() or character == " ":
            return ""
        return "P" if character.isprintable() else "C"
    group = _GROUPS.get(unicodedata.category(character), "")
    early = unicodedata.ucd_3_2_0.category(character)
    if group == _GROUPS.get(early, "") or (group == "C" and early != "Cn") or character < "\u0100":
        return group
    raise _UnsureError


_GROUPS = {
    **dict.fromkeys(("Cc", "Cf", "Co", "Cs"), "C"),
    **dict.fromkeys(("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps"), "P"),
    "Mn": "Mn",
}


def _require_plain(specification: dict[str, Any]) -> None:
    """Refuse what this file does not implement.

    Raises:
        ValueError: The specification asks for it.
    """
    model, normalizer = specification["model"], specification["normalizer"] or {}
    flags = ("single_word", "lstrip", "rstrip", "normalized")
    plain = (
        model.get("type") == "WordPiece"
        and model["continuing_subword_prefix"] == "##"
        and normalizer.get("type") == "BertNormalizer"
        and normalizer["clean_text"]
        and (specification["pre_tokenizer"] or {}).get("type") == "BertPreTokenizer"
        and not any(token[flag] for token in specification["added_tokens"] for flag in flags)
    )
    if not plain:
        raise ValueError("its tokenizer.json is not that of a plain BERT model")


def _frame(post_processor: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Return the numbers of the tokens put before and after a text.

    Raises:
        ValueError: The post-processor is of another kind.
    """
    kind = (post_processor or {}).get("type")
    if kind == "BertProcessing":
        return [post_processor["cls"][1]], [post_processor["sep"][1]]
    if kind != "TemplateProcessing":
        raise ValueError("its tokenizer.json frames texts in an unknown way")
    sides: tuple[list[int], list[int]] = ([], [])
    side = 0
    for entry in post_processor["single"]:
        if "Sequence" in entry:
            side = 1
        else:
            name = entry["SpecialToken"]["id"]
            sides[side].extend(post_processor["special_tokens"][name]["ids"])
    return sides
