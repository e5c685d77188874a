"""Read Markdown into the flat list of blocks that sections are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from agentmatch.parsing.plain_text import collapse, inline_text

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

Kind = Literal["heading", "label", "paragraph", "item", "quote", "row", "code"]

LABEL_LEVEL = 7
"""The heading level of "**When to use:**" and "Capabilities:": below every real one."""

MAX_LABEL_WORDS = 9
"""A paragraph that ends in a colon and has more words is prose, no heading."""

MAX_NESTING = 30
"""How deep lists and quotations may be nested; deeper ones are read as text."""

# A line that is one tag and no HTML, such as <rules>: prompts wrap Markdown in these.
# CommonMark would take everything up to the next blank line for raw HTML.
_PROMPT_TAG = re.compile(r"\s{0,3}</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>\s*")
_HTML_TAGS = frozenset({
    "a", "body", "br", "button", "details", "div", "form", "head", "html", "img", "input",
    "label", "li", "ol", "p", "pre", "script", "span", "style", "summary", "svg", "table",
    "tbody", "td", "textarea", "th", "thead", "title", "tr", "ul",
})  # fmt: skip


_CHECKBOX = re.compile(r"^\[[ xX]?\] ")


@dataclass(frozen=True, slots=True)
class Block:
    """Hold one block of Markdown as plain text.

    Attributes:
        kind: A "heading" (#), a "label" (a paragraph that serves as one), a
            "paragraph", a list "item", a "quote" (paragraph in a block quotation), a
            table "row" (not its header) or "code" (a fenced or indented block).
        text: The plain text, with the line breaks of the source; code as written.
        line: The 1-based line of the file.
        level: Of a heading 1 to 6, of a label LABEL_LEVEL, of an item its nesting
            from 1; otherwise 0.
        language: The word after the fence of a code block, or "".
    """

    kind: Kind
    text: str
    line: int
    level: int = 0
    language: str = ""


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": MAX_NESTING}).enable("table")


def read_blocks(text: str, first_line: int = 1) -> tuple[Block, ...]:
    r"""Read Markdown into blocks.

    Args:
        text: The Markdown.
        first_line: The line of the file at which the text starts.

    Returns:
        The blocks in their order. Raw HTML and comments have none.

    Example:
        >>> [(b.kind, b.text) for b in read_blocks("## Tasks\n- Run *all* tests")]
        [('heading', 'Tasks'), ('item', 'Run all tests')]
    """
    tokens = _markdown().parse(_without_prompt_tags(text))
    return tuple(_blocks(tokens, first_line))


def _blocks(tokens: list[Token], first_line: int) -> Iterator[Block]:
    lists = quotes = 0
    cells: list[str] | None = None
    opened = ""
    level = 0
    for token in tokens:
        line = first_line + (token.map[0] if token.map else 0)
        if token.type in ("bullet_list_open", "ordered_list_open"):
            lists += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            lists -= 1
        elif token.type == "blockquote_open":
            quotes += 1
        elif token.type == "blockquote_close":
            quotes -= 1
        elif token.type in ("heading_open", "paragraph_open"):
            opened = token.type
            level = int(token.tag[1]) if opened == "heading_open" else 0
        elif token.type == "tr_open":
            cells = []
            row_line = line
        elif token.type == "tr_close":
            if cells and opened != "th_open":
                yield Block("row", ": ".join(cell for cell in cells if cell), row_line)
            cells = None
        elif token.type in ("th_open", "td_open"):
            opened = token.type
        elif token.type in ("fence", "code_block"):
            yield Block("code", token.content, line, language=token.info.strip().lower())
        elif token.type == "inline":
            words = inline_text(token.children or [])
            if cells is not None:
                cells.append(collapse(words))
            elif opened == "heading_open" and not lists:
                yield Block("heading", collapse(words), line, level)
            elif lists:
                yield from _item(words, line, lists)
            elif quotes:
                yield Block("quote", _lines(words), line)
            else:
                yield from _paragraph(token, words, line)


def _item(words: str, line: int, nesting: int) -> Iterator[Block]:
    """Split off the label that an author wrote right below the last item of a list."""
    before, _, last = words.rstrip().rpartition("\n")
    label = before and is_label(last)
    text = _CHECKBOX.sub("", _lines(before if label else words), count=1)
    yield Block("item", text, line, nesting)
    if label:
        yield Block("label", collapse(last), line + words.rstrip().count("\n"), LABEL_LEVEL)


def _lines(words: str) -> str:
    """Trim every line of a text and leave the empty ones out."""
    return "\n".join(line for line in map(collapse, words.split("\n")) if line)


def _paragraph(token: Token, words: str, line: int) -> Iterator[Block]:
    """Tell a paragraph from a label, and split a label from the text that follows it."""
    label, rest = _split_label(token, words)
    if label:
        yield Block("label", label, line, LABEL_LEVEL)
        words = rest
    else:
        # "Some words.\nCapabilities:" right above its list: the last line is the label.
        before, _, last = words.rstrip().rpartition("\n")
        if before and is_label(last):
            if collapse(before):
                yield Block("paragraph", _lines(before), line)
            yield Block("label", collapse(last), line + words.rstrip().count("\n"), LABEL_LEVEL)
            return
    if collapse(words):
        yield Block("paragraph", _lines(words), line)


def _split_label(token: Token, words: str) -> tuple[str, str]:
    """Return the label that opens a paragraph and what follows, or two empty texts."""
    children = token.children or []
    # markdown-it opens an inline run with an empty text token where bold comes first.
    start = 1 if children and children[0].type == "text" and not children[0].content else 0
    if len(children) > start and children[start].type == "strong_open":
        closing = next(
            (index for index, child in enumerate(children) if child.type == "strong_close"), None
        )
        if closing is not None:
            label = collapse(inline_text(children[start:closing]))
            rest = inline_text(children[closing + 1 :])
            ends = label.endswith((":", "：")) or rest.lstrip().startswith((":", "："))
            alone = not rest.strip(" :：\n")
            if (ends or alone or rest.startswith("\n")) and _few_words(label):
                return label, rest.lstrip(" :：\n")
    first, _, rest = words.partition("\n")
    if is_label(first):
        return collapse(first), rest
    return "", words


def is_label(line: str) -> bool:
    """Tell whether a line serves as a heading: a few words and a colon."""
    return line.rstrip().endswith((":", "：")) and _few_words(line)


def _few_words(text: str) -> bool:
    return 0 < len(text.split()) <= MAX_LABEL_WORDS


def _without_prompt_tags(text: str) -> str:
    """Blank the lines that hold one prompt tag, outside code blocks."""
    if "<" not in text:
        return text
    lines = text.split("\n")
    for index in lines_outside_code(lines):
        line = lines[index]
        if "<" in line and _PROMPT_TAG.fullmatch(line):
            name = line.strip().lstrip("</").split(">")[0].split()[0].rstrip("/")
            if name.casefold() not in _HTML_TAGS:
                lines[index] = ""
    return "\n".join(lines)


def lines_outside_code(lines: list[str]) -> Iterator[int]:
    """Yield the index of every line that stands in no fenced code block."""
    fence = ""
    for index, line in enumerate(lines):
        stripped = line.lstrip()
        mark = stripped[:3]
        if not fence and mark in ("```", "~~~"):
            fence = stripped[: len(stripped) - len(stripped.lstrip(mark[0]))]
        elif fence:
            if stripped.startswith(fence) and not stripped.strip().strip(fence[0]):
                fence = ""
        else:
            yield index
