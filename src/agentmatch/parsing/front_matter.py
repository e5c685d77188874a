"""Split a file into its front matter and its body, and read the front matter.

YAML is read by PyYAML. Where that fails, the front matter is cut into its top-level keys
and each is read for itself, so that an unquoted colon in a description costs nothing but
a warning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentmatch.parsing.plain_text import collapse, strip_quotes
from agentmatch.parsing.safe_yaml import MAX_YAML_CHARACTERS, YamlError, read_yaml
from agentmatch.types import Problem

_FENCE = "---"
_ENDS = ("---", "...")

# "key: value" or "key:" at the start of a line.
_KEY_LINE = re.compile(r"([A-Za-z_][\w.-]*)[ \t]*:(?=[ \t]|$)[ \t]*(.*)")

# A missing blank after the colon is only believed of keys that agent files have.
_TIGHT_KEY_LINE = re.compile(
    r"(name|title|description|tools|model|color|colour|category|tags|capabilities|keywords)"
    r"[ \t]*:(.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """Hold a file split at its front matter.

    Attributes:
        values: The front matter as plain JSON values.
        body: The text after it.
        body_line: The 1-based line of the file at which the body starts.
        present: Whether the file has front matter.
        lines: The 1-based line of each top-level key.
        problems: What had to be recovered.
    """

    values: Mapping[str, Any]
    body: str
    body_line: int
    present: bool
    lines: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def split_front_matter(text: str, path: Path | None = None) -> FrontMatter:
    r"""Split a file and read its front matter.

    Args:
        text: The file, with line feeds only.
        path: The file's path, for the problems.

    Returns:
        Its front matter and body; a file without front matter is all body.

    Example:
        >>> found = split_front_matter("---\nname: dba\n---\nYou tune databases.")
        >>> found.values["name"], found.body, found.body_line
        ('dba', 'You tune databases.', 4)
    """
    lines = text.split("\n")
    start = next((index for index, line in enumerate(lines) if line.strip()), len(lines))
    if start == len(lines) or lines[start].rstrip() != _FENCE:
        return FrontMatter({}, text, 1, False)
    end = next(
        (index for index in range(start + 1, len(lines)) if lines[index].rstrip() in _ENDS), None
    )
    problems: list[Problem] = []
    if end is not None and _has_key(lines[start + 1 : end]):
        body_start = end + 1
    else:
        # Two thematic breaks around prose are no front matter, and neither is a lone one
        # before a body without any key.
        end = body_start = _unclosed_end(lines, start + 1)
        if not _has_key(lines[start + 1 : end]):
            return _without_front_matter(text, lines, start, path)
        problems.append(
            Problem(
                "warning",
                "unclosed-front-matter",
                "the front matter that starts here has no closing '---'; "
                f"it was taken to end before line {end + 1}",
                path,
                start + 1,
            )
        )
    inner = lines[start + 1 : end]
    values, found = _read(inner, start + 2, path)
    key_lines = {
        key: start + 2 + index
        for index, line in enumerate(inner)
        if (key := _key_of(line)) is not None
    }
    body = "\n".join(lines[body_start:])
    return FrontMatter(values, body, body_start + 1, True, key_lines, (*problems, *found))


def _without_front_matter(
    text: str, lines: list[str], start: int, path: Path | None
) -> FrontMatter:
    """Report front matter that is no mapping; a mere rule above prose is no problem."""
    end = next(
        (index for index in range(start + 1, len(lines)) if lines[index].rstrip() in _ENDS), None
    )
    inner = "\n".join(lines[start + 1 : end]).strip() if end is not None else ""
    problems: tuple[Problem, ...] = ()
    if inner.startswith(("-", "[", "{")):
        problems = (
            Problem(
                "warning",
                "front-matter-not-a-mapping",
                "the front matter is no list of 'key: value' lines and was ignored",
                path,
                start + 1,
            ),
        )
        text = "\n".join(lines[(end or 0) + 1 :])
        return FrontMatter({}, text, (end or 0) + 2, True, problems=problems)
    return FrontMatter({}, text, 1, False, problems=problems)


def _has_key(lines: list[str]) -> bool:
    """Tell whether lines start like front matter: with a key, comments aside."""
    first = next((line for line in lines if line.strip() and line.lstrip()[0] != "#"), "")
    return _key_of(first.strip("\t ")) is not None


def _key_of(line: str) -> str | None:
    match = _KEY_LINE.match(line) or _TIGHT_KEY_LINE.match(line)
    return match[1] if match else None


def _unclosed_end(lines: list[str], start: int) -> int:
    """Find the line at which front matter without a closing fence ends."""
    end = start
    for index in range(start, len(lines)):
        line = lines[index]
        if not line.strip():
            continue
        if _key_of(line) is None and not line.startswith((" ", "\t", "- ", "#!")):
            break
        # After an empty line only another key carries on; a list there is Markdown.
        if index > start and not lines[index - 1].strip() and _key_of(line) is None:
            break
        end = index + 1
    return end


def _read(
    lines: list[str], first_line: int, path: Path | None
) -> tuple[dict[str, Any], list[Problem]]:
    text = "\n".join(lines)
    try:
        value, duplicates = read_yaml(text)
    except YamlError as error:
        values, problems = _recover(lines, first_line, path)
        line = first_line if error.line is None else first_line + error.line - 1
        message = (
            f"the front matter is not valid YAML ({collapse(error.problem)}) and was read key "
            "by key; put quotation marks around values that hold ': ' or other punctuation"
        )
        return values, [Problem("warning", "invalid-yaml", message, path, line), *problems]
    if not isinstance(value, dict):
        values, problems = _recover(lines, first_line, path)
        message = "the front matter is no mapping of keys to values and was read key by key"
        return values, [
            Problem("warning", "front-matter-not-a-mapping", message, path, first_line),
            *problems,
        ]
    return value, [_duplicate(key, first_line + line - 1, path) for key, line in duplicates]


def _duplicate(key: str, line: int, path: Path | None) -> Problem:
    message = f"the key {key!r} is given twice; the last value counts"
    return Problem("warning", "duplicate-key", message, path, line)


def _recover(
    lines: list[str], first_line: int, path: Path | None
) -> tuple[dict[str, Any], list[Problem]]:
    """Read front matter key by key."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for index, chunk in _chunks(lines):
        match = _KEY_LINE.match(chunk[0]) or _TIGHT_KEY_LINE.match(chunk[0])
        if match is None:
            continue
        key = match[1]
        if key in values:
            problems.append(_duplicate(key, first_line + index, path))
        values[key] = _recover_value([match[2], *chunk[1:]])
    return values, problems


def _chunks(lines: list[str]) -> list[tuple[int, list[str]]]:
    """Cut front matter before every line that starts with a key."""
    chunks: list[tuple[int, list[str]]] = []
    for index, line in enumerate(lines):
        if _key_of(line) is not None or not chunks:
            chunks.append((index, [line]))
        else:
            chunks[-1][1].append(line)
    return chunks


def _recover_value(lines: list[str]) -> Any:
    """Read one value by YAML if that works, and as text if not."""
    source = "\n".join(line.replace("\t", "  ") for line in lines)[:MAX_YAML_CHARACTERS]
    try:
        document, _ = read_yaml(f"value: {source}")
        if isinstance(document, dict) and list(document) == ["value"]:
            return document["value"]
    except YamlError:
        pass
    if not lines[0].strip():
        items = [line.strip() for line in lines[1:] if line.strip()]
        if items and all(item.startswith("- ") for item in items):
            return [strip_quotes(item[2:]) for item in items]
    text = "\n".join(line.strip() for line in lines).strip()
    if text[:2] in ("|\n", ">\n", "|-", ">-", "|+", ">+"):
        text = text.partition("\n")[2]
    bare = strip_quotes(text)
    # An opening quotation mark that nothing closes is not part of the text.
    return bare[1:].strip() if bare[:1] in ('"', "'") and bare.count(bare[0]) == 1 else bare
