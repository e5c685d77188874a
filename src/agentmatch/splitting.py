r"""Split a request that may hold several jobs into parts that ask for one each. Pure.

A request is cut where its writer marked a new thought:

- `list`: an item of a bulleted, numbered or lettered list, also within a line ("(a) ...
  (b) ..."), and what follows a semicolon;
- `connective`: "also", "and then", "plus", "secondly", "something else" and their kin;
- `sentence`: a new sentence, line or paragraph, in any script;
- `clause`: a verb or a question joined to the clause before it ("..., and write the docs").

Nothing is cut inside code, logs, quoted text, brackets and addresses. Parts too short to
say what they want ("and test it") stay with their neighbour. Lists and punctuation work in
every language; connectives and verbs are English.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from agentmatch.types import Boundary, RequestPart

MIN_WORDS = 3
"""Words of the shortest part; a shorter one stays with its neighbour."""

MIN_ITEM_WORDS = 2
"""Words of the shortest item of a list, which says more clearly that it is one."""

CHARACTERS_PER_WORD = 2
"""Characters that count as one word in scripts that put no spaces between words."""

MAX_REQUEST_PARTS = 32
"""Parts of one request; what follows stays with the last."""

MAX_BRACKETED = 400
"""Characters between brackets or quotes at most; a mark without its partner is a typo."""

MAX_MACHINE_LINE = 400
"""Characters of a line that tell whether it is code or a log."""

_STRENGTH: dict[Boundary, int] = {"clause": 0, "sentence": 1, "connective": 2, "list": 3}

_VERBS = (
    "add adjust analyse analyze answer arrange assess audit automate benchmark book build "
    "calculate check choose clean collect compare compose compute configure confirm connect "
    "convert correct count create cut debug decide define delete deploy describe design "
    "determine develop diagnose document download draft draw edit estimate evaluate examine "
    "explain export extract fetch figure find fix forecast generate get give help identify "
    "implement improve inspect install integrate investigate keep list locate look make "
    "measure merge migrate model modernise modernize move optimise optimize organise "
    "organize outline pick plan plot predict prepare price profile propose prove provide "
    "publish put rate recommend redesign refactor remove rename repair replace report "
    "reproduce research resolve review rewrite save schedule search secure send set setup "
    "show simulate sort speed split suggest summarise summarize take teach tell test tidy "
    "train translate tune turn update upgrade use validate verify visualise visualize warn "
    "work write"
)
_VERB = rf"(?:{'|'.join(_VERBS.split())})\b(?![-/=:(.])"
_QUESTION = (
    r"(?:(?:can|could|would|will|should|do|does|did|is|are|may)\s+"
    r"(?:you|we|i|it|they|there|the|my|our|someone|somebody|anyone)\b|"
    r"(?:what|which|who|how|why|where|when)\b)"
)
_WISH = (
    r"(?:please\b|i(?:['\u2019]d|\s+would)\s+(?:also\s+)?(?:like|love)\b|"
    r"(?:i|we)\s+(?:also\s+)?(?:need|want)\b)"
)

_CONNECTIVE = re.compile(
    r"(?:(?:and|but)[,\s]+)?(?:"
    r"also|plus|then|as\s+well\s+as|additionally|furthermore|moreover|finally|lastly|separately|meanwhile|"
    r"afterwards?|next(?=,)|in\s+addition|besides(?:\s+that)?|p\.\s?s\.|ps(?=[:,])|"
    r"(?:apart|aside)\s+from\s+that|on\s+top(?:\s+of\s+(?:that|it|this))?|after\s+that|"
    r"while\s+you(?:'re|\s+are)\s+at\s+it|in\s+a\s+second\s+step|"
    r"(?:first|second|third|fourth)(?:ly)?(?=[,:])|(?:secondly|thirdly)|"
    r"(?:the\s+)?(?:second|third|other|next|last)\s+(?:thing|job|task|request|question|topic)"
    r"(?:\s+is)?|something\s+else|(?:another|one\s+more)\s+(?:thing|question|job|task|topic)"
    r")\b[,:]?\s*",
    re.IGNORECASE,
)
_JOINED_CONNECTIVE = re.compile(
    r"[,\u2013\u2014(]\s*(?=(?:(?:and|but)\s+)?(?:also|plus|then|additionally|furthermore|"
    r"moreover|finally|in\s+addition|after\s+that|afterwards)\s)|"
    r"\s(?=and\s+(?:also|then|in\s+addition|additionally)\s)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    rf",?\s(?=(?:and|&)\s+(?:please\s+)?(?:{_VERB}|{_QUESTION}|{_WISH}|[a-z]{{3,20}}ing\b))|"
    rf",?\s(?=as\s+well\s+as\s)|,\s*(?={_VERB}|{_WISH}|(?:can|could|would)\s+you\b)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"[.!?\u2026][\"'\u201d\u2019)\]]{0,3}(?=\s)|[\u3002\uff01\uff1f\u061f\u06d4\u0964]+[\"\u201d\u300d\uff09]*"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])\(?(?:(?:[^\W\d_]\.)*[^\W\d_]|\d{1,3}|etc|vs|approx|incl|excl|resp|mrs?|ms|dr|"
    r"prof|st|nr|fig|bzw|ca|usw|cf)\.$",
    re.IGNORECASE,
)
_NEW_LINE = re.compile(r"\n\s*")
_MARKER = (
    r"(?:[-*+\u2022\u2023\u25aa\u25e6\u2043\u2013\u2014\u00b7\u25cf\u25cb](?=\s)|"
    r"\(?(?:\d{1,2}|[A-Za-z]|[ivx]{2,4})[.):\uff09](?=\s)|\d{1,2}[\u3001\uff0e])"
)
_LINE_ITEM = re.compile(rf"^[ \t]*(?={_MARKER})", re.MULTILINE)
_INLINE_ITEM = re.compile(r"(?<!\S)\(?(\d{1,2}|[a-h])[.):](?=\s)")
_SEMICOLON = re.compile(r"[;\u061b](?=\s)|\uff1b")
_LEADING = re.compile(
    rf"\s+|{_MARKER}|\[[ xX]\]\s|[,;:\u2013\u2014&\u3001\uff0c\uff1b]\s*|(?:and|&)\s+",
    re.IGNORECASE,
)

_PROTECTED = re.compile(
    r"(?P<fence>(?:\A|\n)[ \t]*(?P<mark>```|~~~)(?s:.*?)(?:\n[ \t]*(?P=mark)[ \t]*(?=\n|\Z)|\Z))|"
    r"`[^`\n]+`|\b[a-z][a-z\d+.-]{1,15}://\S+|www\.\S+|"
    rf"\([^()\n]{{1,{MAX_BRACKETED}}}\)|\[[^\[\]\n]{{1,{MAX_BRACKETED}}}\]|"
    rf"(?<!\w)\"(?=\S)[^\"]{{1,{MAX_BRACKETED}}}(?<=\S)\"(?!\w)|(?<!\w)'(?=\S)[^'\n]{{1,{MAX_BRACKETED}}}(?<=\S)'(?!\w)|"
    rf"\u201c[^\u201c\u201d]{{1,{MAX_BRACKETED}}}\u201d|\u201e[^\u201e\u201c\u201d]{{1,{MAX_BRACKETED}}}[\u201c\u201d]|"
    rf"\u00ab[^\u00ab\u00bb]{{1,{MAX_BRACKETED}}}\u00bb|\u300c[^\u300c\u300d]{{1,{MAX_BRACKETED}}}\u300d"
)
_MACHINE_LINE = re.compile(
    rf"(?:\t| {{4}})\s*(?!{_MARKER})\S|[ \t]*(?:"
    r"at\s+[\w.$<>]+\(|File\s+\"|Traceback\b|Caused\s+by:|"
    r"\[?\d{4}-\d\d-\d\d|\[?\d\d:\d\d:\d\d|[A-Z][a-z]{2}\s+\d{1,2}\s+\d\d:\d\d|"
    r"\[?(?:ERROR|WARN(?:ING)?|INFO|DEBUG|FATAL|TRACE)\b|[\w/\\.-]+\.\w+:\d+|"
    r"[\w.]*(?:Error|Exception|Warning):|(?:[$>]|>>>|\+\+\+|---|@@)\s|"
    r"import\s+[\w.*{]+|from\s+[\w.]+\s+import\b|(?:def|class|func?|function)\s+\w+\s*[({:]|"
    r"(?:const|let|var)\s+\w+\s*=|[\w.\[\]\"'$]+\s*(?:[-+*/]?=|:=)\s*\S|[\w.]+\(.*\)\s*;?$|"
    r"[})\]]+[;,]?$|.*[{}]$|.*[=(].*;$|<[/!\w]"
    r")"
)
_TRAILING = ",;\u2013\u2014\u3001\uff0c\uff1b\u061b"
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def split_request(request: str) -> tuple[RequestPart, ...]:
    """Split a request into parts that may each be a job of their own.

    Args:
        request: Free text in any language.

    Returns:
        The parts in order. They do not overlap; between them stand only spaces,
        punctuation, list marks, "and" and connectives. One part for most requests;
        none where there is no visible character.

    Example:
        >>> for part in split_request("Fix the flaky login test, and also draft release notes"):
        ...     print(part.boundary, "|", part.text)
        start | Fix the flaky login test
        connective | draft release notes
    """
    whole = _trim(request, 0, len(request), "start", leading=False)
    if whole is None:
        return ()
    cuts = {whole.start: whole.boundary, **_boundaries(request, whole), whole.end: whole.boundary}
    parts = [
        part
        for (start, kind), (end, _) in pairwise(sorted(cuts.items()))
        if (part := _trim(request, start, end, kind)) is not None
    ]
    parts = _merge(request, parts)
    return tuple(parts) if len(parts) > 1 else (whole,)


def _boundaries(request: str, whole: RequestPart) -> dict[int, Boundary]:
    """Find where parts may begin, with the strongest mark at each place."""
    spans = _protected_spans(request, whole)
    begins = [start for start, _ in spans]
    found: dict[int, Boundary] = {}
    for place, kind in _candidates(request):
        if not whole.start <= place < whole.end or (place == whole.start and kind != "list"):
            continue
        span = bisect_right(begins, place - 1) - 1
        if span >= 0 and place < spans[span][1]:
            continue
        if kind != "list" and _CONNECTIVE.match(request, place):
            kind = "connective"
        if place not in found or _STRENGTH[kind] > _STRENGTH[found[place]]:
            found[place] = kind
    return found


def _candidates(request: str) -> Iterator[tuple[int, Boundary]]:
    for match in _LINE_ITEM.finditer(request):
        yield match.end(), "list"
    yield from _inline_items(request)
    for match in _SEMICOLON.finditer(request):
        yield _skip_spaces(request, match.end()), "list"
    for match in _SENTENCE_END.finditer(request):
        if not _ABBREVIATION.search(request, max(0, match.end() - 12), match.end()):
            yield _skip_spaces(request, match.end()), "sentence"
    for match in _NEW_LINE.finditer(request):
        yield match.end(), "sentence"
    for match in _JOINED_CONNECTIVE.finditer(request):
        yield match.end(), "connective"
    for match in _CLAUSE.finditer(request):
        yield match.end(), "clause"


def _inline_items(request: str) -> Iterator[tuple[int, Boundary]]:
    """Yield the items of "(a) ... (b) ..." or "1) ... 2) ...": marks that count up."""
    run: list[int] = []
    for match in _INLINE_ITEM.finditer(request):
        label = match[1]
        number = int(label) if label.isdigit() else ord(label) - ord("a") + 1
        if number == len(run) + 1:
            run.append(match.start())
    if len(run) > 1:
        for place in run:
            yield place, "list"


def _skip_spaces(request: str, place: int) -> int:
    while place < len(request) and request[place].isspace():
        place += 1
    return place


def _protected_spans(request: str, whole: RequestPart) -> list[tuple[int, int]]:
    """Return the spans that must not be cut, in order and without overlap."""
    blocks = list(_machine_spans(request))
    spans = []
    for match in _PROTECTED.finditer(request):
        # Marks around the whole request quote nothing in it.
        if match.span() != (whole.start, whole.end):
            spans.append(match.span())
            blocks += [match.span()] * (match["fence"] is not None)
    for start, end in blocks:
        # A block is no job: it stays with the text before it, else with the text after it.
        first = start <= whole.start
        spans.append((start, _skip_spaces(request, end) + 1 if first else end))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _machine_spans(request: str) -> Iterator[tuple[int, int]]:
    """Yield runs of lines that are code or a log, with the line break that leads to them."""
    if "\n" not in request:
        return
    place, begin, end = 0, -1, -1
    for line in request.splitlines(keepends=True):
        if _MACHINE_LINE.match(line[:MAX_MACHINE_LINE].rstrip()):
            begin = max(0, place - 1) if begin < 0 else begin
            end = place + len(line)
        elif begin >= 0 and line.strip():
            yield begin, end
            begin = -1
        place += len(line)
    if begin >= 0:
        yield begin, end


def _trim(
    request: str, start: int, end: int, boundary: Boundary, leading: bool = True
) -> RequestPart | None:
    """Make a part without spaces at its ends, list mark, "and" and connectives."""
    # Of the punctuation after a part only that is kept which says what kind it is.
    while end > start and (
        request[end - 1].isspace() or (leading and request[end - 1] in _TRAILING)
    ):
        end -= 1
    while leading and start < end:
        match = _LEADING.match(request, start, end) or _CONNECTIVE.match(request, start, end)
        if match is None or match.end() == start:
            break
        start = match.end()
    start = min(_skip_spaces(request, start), end)
    return None if start == end else RequestPart(request[start:end], start, end, boundary)


def _merge(request: str, parts: list[RequestPart]) -> list[RequestPart]:
    """Join parts that are too short with the part before them, the first with the next."""
    # The first part of each group, its end, and whether it is long enough.
    groups: list[tuple[RequestPart, int, bool]] = []
    for part in parts:
        is_long = _is_long_enough(part)
        if groups and (not (is_long and groups[-1][2]) or len(groups) == MAX_REQUEST_PARTS):
            first, _, was_long = groups[-1]
            groups[-1] = (first, part.end, was_long or is_long)
        else:
            groups.append((part, part.end, is_long))
    return [
        replace(first, text=request[first.start : end], end=end) if end > first.end else first
        for first, end, _ in groups
    ]


def _is_long_enough(part: RequestPart) -> bool:
    least = MIN_ITEM_WORDS if part.boundary == "list" else MIN_WORDS
    # A word has a letter or a digit; "->" and a smiley ask for nothing.
    words = sum(any(map(str.isalnum, word)) for word in part.text.split())
    if words < least:
        words += len(_SPACELESS.findall(part.text)) // CHARACTERS_PER_WORD
    return words >= least
