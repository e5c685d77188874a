"""Make a request fit for encoding: valid text, in parts that the encoder can read."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from agentmatch.errors import InvalidRequestError

PART_TOKENS = 200
"""Estimated tokens of one part of a long request.

The default model reads 256 tokens and ignores the rest; the estimate below may be off
by a quarter."""

MAX_PARTS = 64
"""Parts of a request that are read; some 10,000 words."""

_TOKENS_PER_CHARACTER = 0.25
_TOKENS_PER_WIDE_CHARACTER = 1.0


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """Hold a request as it is encoded.

    Attributes:
        text: The request without control characters and lone surrogates.
        parts: The text in parts of at most `PART_TOKENS`; one for nearly all requests.
        warnings: What the user should know about how it is read.
    """

    text: str
    parts: tuple[str, ...]
    warnings: tuple[str, ...]


def prepare_request(request: str) -> PreparedRequest:
    r"""Clean a request and cut it into parts that the encoder can read.

    Args:
        request: Free text in any language.

    Returns:
        The prepared request.

    Raises:
        InvalidRequestError: It is not a string, or holds no visible character.

    Example:
        >>> prepare_request("  Fix\x00 the build ").text
        'Fix the build'
    """
    if not isinstance(request, str):
        raise InvalidRequestError(f"a request must be a string, not {type(request).__name__}")
    text = " ".join(_clean(request).split())
    if not text:
        raise InvalidRequestError("the request is empty; say what should be done")
    parts = _split(text)
    warnings: tuple[str, ...] = ()
    if len(parts) > MAX_PARTS:
        parts = parts[:MAX_PARTS]
        kept = sum(map(len, parts))
        warnings = (
            f"the request is very long ({len(text):,} characters); only its first "
            f"{kept:,} are read",
        )
    elif len(parts) > 1:
        warnings = (
            f"the request is long ({len(text):,} characters); it is read in {len(parts)} parts, "
            "which count alike",
        )
    return PreparedRequest(" ".join(parts), tuple(parts), warnings)


def _clean(text: str) -> str:
    """Replace what no tokeniser can read: control characters and lone surrogates."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " "
        if (category := unicodedata.category(character)) == "Cc"
        else "\ufffd"
        if category == "Cs"
        else ""
        if character in "\ufeff\u200b\u2060"
        else character
        for character in text
    )


def _split(text: str) -> list[str]:
    """Cut a text at spaces into parts of about `PART_TOKENS`, words without spaces too."""
    parts: list[str] = []
    words: list[str] = []
    size = 0.0
    for word in _short_words(text):
        cost = _estimate_tokens(word)
        if words and size + cost > PART_TOKENS:
            parts.append(" ".join(words))
            words, size = [], 0.0
        words.append(word)
        size += cost
    if words:
        parts.append(" ".join(words))
    return parts


def _short_words(text: str) -> list[str]:
    words = []
    for word in text.split(" "):
        # Chinese or base64 may hold no space for thousands of characters.
        for start in range(0, len(word), PART_TOKENS):
            words.append(word[start : start + PART_TOKENS])
    return words


def _estimate_tokens(word: str) -> float:
    if word.isascii():
        return max(1.0, len(word) * _TOKENS_PER_CHARACTER)
    return sum(
        _TOKENS_PER_WIDE_CHARACTER if ord(character) > 0x2E7F else 2 * _TOKENS_PER_CHARACTER
        for character in word
    )
