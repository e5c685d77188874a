"""Take example dialogues out of a text and keep what the user says in them.

Claude Code's own agent generator writes, inside the description:

    <example>Context: The tests fail. user: "Fix them" assistant: "I'll use the ... agent"
    <commentary>Failing tests call for it.</commentary></example>

The user's lines are the best example tasks there are; the rest only names the agent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from agentmatch.parsing.blocks import lines_outside_code
from agentmatch.parsing.plain_text import collapse, is_quoted, strip_quotes

_USER = frozenset({"user", "human", "developer", "customer", "you ask", "q", "question", "request",
                   "user request", "user query", "用户"})  # fmt: skip
_REPLY = frozenset({"assistant", "agent", "you", "response", "answer", "reply", "ai", "claude",
                    "bot", "a", "output", "context", "commentary", "action", "result", "model",
                    "expected", "expected response", "助手"})  # fmt: skip

# Who speaks inside a tagged example; "Context:" and the commentary speak to the reader.
_SPEAKER = re.compile(
    r"(?<![\w'’])(?:\*\*)?(user|human|assistant|context|commentary|agent response)"
    r"(?:\*\*)?\s*:(?:\*\*)?[ \t]*|<(/?)(commentary|user|assistant|context)>",
    re.IGNORECASE,
)
_EXAMPLE_OPEN = re.compile(r"<example(?:\s[^>]*)?>", re.IGNORECASE)
_EXAMPLE_CLOSE = re.compile(r"</example>", re.IGNORECASE)
_WRAPPER = re.compile(r"</?(?:examples?|commentary)>", re.IGNORECASE)
# What introduces the examples and is left over when they have gone: "Examples: -".
_LEAD_IN = re.compile(
    r"(?:(?:^|(?<=[\s.!?:;\-]))(?:(?:here are|see|for) )?(?:some |a few )?(?:specific |usage )?"
    r"examples?(?: (?:usage|use cases|scenarios|interactions|include|of (?:use|usage)))?\s*:|[-*•])"
    r"\s*$",
    re.IGNORECASE,
)
# '"Run it" - starts phase 1': what follows the dash or bracket is said to the reader.
_EXPLAINED = re.compile(r"[\"“]([^\"“”]+)[\"”]\s+(?:[-–—→(]|=>).*")

MAX_UTTERANCE = 5_000
"""How many characters a user's quoted words may have."""

_LOOK_AHEAD = 60
"""How many characters behind a quotation mark tell whether it closes."""

_OPENING_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}


def unescape_newlines(text: str) -> str:
    r"""Turn literal \n and \" of a description into what they stand for.

    Front matter that was generated as JSON keeps its escapes where the YAML is a plain
    scalar. Only texts that hold a dialogue or a paragraph break are touched, so that
    a Windows path (C:\new) is left alone.
    """
    if "\\n" not in text:
        return text
    if "\\n\\n" in text or _EXAMPLE_OPEN.search(text) or re.search(r"\\n\s*user:", text, re.I):
        return text.replace("\\r", "").replace("\\n", "\n").replace('\\"', '"')
    return text


def take_dialogues(text: str) -> tuple[str, tuple[str, ...]]:
    """Split a description into its prose and what users say in its dialogues.

    Args:
        text: The description.

    Returns:
        The text without dialogues, and the user's lines in their order.

    Example:
        >>> take_dialogues('Tests. <example>user: "Fix CI" assistant: "Yes"</example>')
        ('Tests.', ('Fix CI',))
    """
    requests: list[str] = []
    kept: list[str] = []
    position = 0
    for start, end in _tagged(text):
        inner = text[start:end]
        requests.extend(_user_lines(inner))
        kept.append(_without_lead_in(text[position:start]))
        position = end
    kept.append(text[position:])
    prose = _WRAPPER.sub("", " ".join(part.strip() for part in kept if part.strip()))
    prose, untagged = _take_untagged(prose)
    requests.extend(untagged)
    return _without_lead_in(prose).strip(), tuple(dict.fromkeys(requests))


def blank_dialogues(text: str) -> tuple[str, tuple[str, ...]]:
    """Take tagged dialogues out of a Markdown body, keeping its line numbers.

    Args:
        text: The body.

    Returns:
        The body with every dialogue replaced by empty lines, and the user's lines.
        An example without a user's line, and one in a code block, stays.
    """
    if not _EXAMPLE_OPEN.search(text):
        return text, ()
    lines = text.split("\n")
    outside = set(lines_outside_code(lines))
    requests: list[str] = []
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    for start, end in reversed(list(_tagged(text))):
        first = _line_at(starts, start)
        last = _line_at(starts, max(start, end - 1))
        found = _user_lines(text[start:end])
        if found and all(index in outside for index in range(first, last + 1)):
            requests[:0] = found
            for index in range(first, last + 1):
                lines[index] = ""
    return "\n".join(lines), tuple(dict.fromkeys(requests))


def requests_in_lines(lines: Iterable[tuple[str, str, int]]) -> list[str]:
    """Keep what a user would say from the lines of an example section.

    Args:
        lines: The kind, text and nesting of each block of the section.

    Returns:
        Quoted or listed requests without quotation marks. Where speakers are named
        ("User: ...", "You: ..."), only the user's lines, and none of the replies.
    """
    requests: list[str] = []
    awaited = replying = False
    for kind, text, level in _turns(lines):
        speaker, said = _speaker(text)
        if speaker in _USER:
            # "**User:**" may stand alone, its words in the next paragraph.
            awaited, replying = not said, False
            requests.append(said)
        elif speaker in _REPLY:
            awaited, replying = False, True
        elif awaited:
            awaited = False
            requests.append(text)
        elif is_quoted(text) if replying or kind != "item" or level > 1 else True:
            requests.append(text)
    return [task for task in map(_task, requests) if task]


def _task(request: str) -> str:
    """Take the quotation marks off a request, and what explains it behind them."""
    explained = _EXPLAINED.match(request)
    return explained[1].strip() if explained else strip_quotes(request)


def _turns(lines: Iterable[tuple[str, str, int]]) -> Iterator[tuple[str, str, int]]:
    """Cut blocks in which each line is another's turn; leave out code and tables."""
    for kind, text, level in lines:
        parts = text.split("\n")
        if not any(_speaker(part)[0] for part in parts):
            parts = [collapse(text)]
        if kind not in ("code", "row"):
            yield from ((kind, part, level) for part in parts if part)


def is_user_turn(heading: str) -> bool:
    """Tell whether a heading quotes the user: 'User: "Fix the build"'."""
    speaker, said = _speaker(heading)
    return speaker in _USER and bool(said)


def is_speaker(label: str) -> bool:
    """Tell whether a label such as "User:" says who speaks, and heads no section."""
    return bool(_speaker(label if ":" in label else f"{label}:")[0])


def _speaker(text: str) -> tuple[str, str]:
    name, colon, said = text.replace("：", ":", 1).partition(":")
    name = name.strip(" \"'").casefold()
    known = colon and (name in _USER or name in _REPLY)
    return (name, said.strip()) if known else ("", text)


def _tagged(text: str) -> Iterable[tuple[int, int]]:
    """Yield the start and end of every <example>, closed or not."""
    position = 0
    while opening := _EXAMPLE_OPEN.search(text, position):
        following = _EXAMPLE_OPEN.search(text, opening.end())
        end = following.start() if following else len(text)
        if closing := _EXAMPLE_CLOSE.search(text, opening.end(), end):
            end = closing.end()
        yield opening.start(), end
        position = end


def _user_lines(example: str) -> list[str]:
    """Return what the user says in one dialogue."""
    said: list[str] = []
    position = 0
    while mark := _SPEAKER.search(example, position):
        position = mark.end()
        who = (mark[1] or mark[3]).casefold()
        if mark[2] or who not in ("user", "human", "assistant"):
            continue
        # The assistant is listened to as well: its words may hold "user:".
        words, position = _utterance(example, position)
        if words and who != "assistant":
            said.append(words)
    return said


def _utterance(text: str, start: int) -> tuple[str, int]:
    """Read what is said from a position up to its closing quote or the next speaker."""
    while start < len(text) and text[start].isspace():
        start += 1
    closing = _OPENING_QUOTES.get(text[start : start + 1])
    if closing:
        last = start + MAX_UTTERANCE
        for sure in (True, False):
            end = start
            while (end := text.find(closing, end + 1, last)) != -1:
                if _closes(text[end + 1 : end + 1 + _LOOK_AHEAD], sure):
                    return collapse(text[start + 1 : end]), end + 1
    following = _SPEAKER.search(text, start)
    end = following.start() if following else len(text)
    words = _WRAPPER.sub("", text[start:end]).strip(" \n-")
    return strip_quotes(collapse(words)), end


def _closes(after: str, sure: bool) -> bool:
    """Tell whether a quotation mark before this text closes an utterance.

    It surely does where the line or the turn ends; where prose follows, it only may.
    """
    if not sure:
        return not after[:1].isalnum()
    rest = after.lstrip(" \t,.->→")
    return not rest or rest[0] in "\n<\\" or _SPEAKER.match(rest) is not None


def _take_untagged(text: str) -> tuple[str, list[str]]:
    """Take out a dialogue without tags: it needs a user and an assistant who answers."""
    marks = list(_SPEAKER.finditer(text))
    names = [(mark[1] or "").casefold() for mark in marks]
    users = [index for index, name in enumerate(names) if name in ("user", "human")]
    if not users or "assistant" not in names[users[0] :]:
        return text, []
    first = users[0]
    if first and names[first - 1] == "context":
        first -= 1
    last = max(index for index, name in enumerate(names) if name == "assistant")
    _, end = _utterance(text, marks[last].end())
    if not text[marks[last].end() :].lstrip().startswith(tuple(_OPENING_QUOTES)):
        # An answer without quotation marks ends with its line.
        newline = text.find("\n", marks[last].end())
        end = len(text) if newline == -1 else newline
    said = _user_lines(text[marks[first].start() : end])
    before = _without_lead_in(text[: marks[first].start()])
    return f"{before} {text[end:].lstrip(' .')}".strip(), said


def _without_lead_in(text: str) -> str:
    shorter = _LEAD_IN.sub("", text.rstrip())
    while shorter != text:
        text = shorter
        shorter = _LEAD_IN.sub("", text.rstrip())
    return text


def _line_at(starts: list[int], offset: int) -> int:
    from bisect import bisect_right

    return bisect_right(starts, offset) - 1
