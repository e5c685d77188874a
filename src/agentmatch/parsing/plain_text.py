"""Turn Markdown and quoted text into the plain words that are indexed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

# HTML tags that only style text. Others, such as <T> in List<T>, are words of their own.
_STYLING_TAG = re.compile(
    r"</?(?:a|b|br|code|div|em|i|img|kbd|li|p|small|span|strong|sub|sup|u|ul)(?:\s[^>]*)?/?>", re.I
)

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "`": "`", "「": "」"}
"""Opening quotation marks and what closes them."""


def collapse(text: str) -> str:
    r"""Replace every run of white space by one space.

    Example:
        >>> collapse("  two\n words ")
        'two words'
    """
    return " ".join(text.split())


def inline_text(tokens: Sequence[Token]) -> str:
    """Render the children of an inline token as plain text.

    Bold and italic text keeps its words, a link its text, a code span its content;
    comments and styling tags vanish.
    """
    parts: list[str] = []
    for token in tokens:
        if token.type in ("text", "text_special", "code_inline", "image"):
            parts.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif token.type == "html_inline" and not _vanishes(token.content):
            parts.append(token.content)
    return "".join(parts)


def _vanishes(tag: str) -> bool:
    return tag.startswith(("<!", "<?")) or _STYLING_TAG.fullmatch(tag) is not None


def strip_quotes(text: str) -> str:
    r"""Take one pair of quotation marks off a text that they surround as a whole.

    Example:
        >>> strip_quotes('"Fix the \'N+1\' query."')
        "Fix the 'N+1' query."
        >>> strip_quotes('"Stop" and "go"')
        '"Stop" and "go"'
    """
    text = text.strip()
    closing = _QUOTES.get(text[:1])
    # A comma or full stop after the closing mark belongs to the list, not to the task.
    bare = text.rstrip(".,;") if closing and not text.endswith(closing) else text
    if closing and len(bare) >= 2 and bare.endswith(closing):
        inner = bare[1:-1]
        if text[0] not in inner and closing not in inner.replace("n't", ""):
            return inner.strip()
        # An apostrophe inside single quotes closes nothing.
        if text[0] == "'" and not re.search(r"(?<!\w)'|'(?!\w)", inner):
            return inner.strip()
    return text


def is_quoted(text: str) -> bool:
    """Tell whether quotation marks surround a text as a whole."""
    return strip_quotes(text) != text.strip()


def cut_lead(text: str, limit: int) -> str:
    """Shorten a text for a message."""
    text = collapse(text)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
