"""Read requests that people labelled with the agents that should take them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentmatch.catalogue import decode
from agentmatch.errors import InvalidRequestError, RequestSetError, UnknownAgentError

TEXT_KEYS = ("text", "request", "query")
"""Names of the field that holds the request, in lower case; the first found is used."""

AGENT_KEYS = ("agents", "agent", "expected_agents", "expected_agent", "expected")
"""Names of the field that holds the right agents."""

CSV_SUFFIXES = {".csv": ",", ".tsv": "\t"}
"""Files with these suffixes are tables, with the separator of their columns; all other
files hold JSON lines."""

LIST_SEPARATOR = ";"
"""Stands between several agents, or tags, in one cell of a table."""

REPORTED_LINES = 10
"""Malformed lines that an error describes; it counts the others."""

_NEAR_NAMES = 2
_NEAR_CUTOFF = 0.6


@dataclass(frozen=True, slots=True)
class LabelledRequest:
    """Hold a request and the agents that should take it.

    Attributes:
        id: Identifies the request within its set.
        text: The request.
        agents: Names of the right agents; empty where no agent fits.
        split: The part of the set it belongs to, such as "test", or "".
        tags: Labels by which results are broken down, such as "typo" or "short".
    """

    id: str
    text: str
    agents: tuple[str, ...]
    split: str = ""
    tags: tuple[str, ...] = ()


class _MalformedError(Exception):
    """Say what is wrong with one line."""


def read_requests(
    path: Path | str,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> tuple[LabelledRequest, ...]:
    """Read a file of labelled requests.

    JSON lines hold one object a line: `{"id", "text", "agents", "split", "tags"}`. Only
    text and agents are required; agents may be a string, and an empty list says that no
    agent fits; without an id, the line number is the id; other keys are ignored. Tables
    (.csv, .tsv) have a header of the same names and ";" between several agents.

    Args:
        path: The file.
        split: Keep only this part of the set.
        limit: Keep at most this many requests, drawn at random.
        seed: Chooses which.

    Returns:
        The requests, in the order of the file.

    Raises:
        RequestSetError: There is no such file, it holds no request (of that split), or
            lines are malformed; the error names them all.
        InvalidRequestError: `limit` is less than 1.
    """
    file = Path(path)
    if limit is not None and limit < 1:
        raise InvalidRequestError(f"the limit must be 1 or more, not {limit}")
    requests = _read_all(file)
    if split is not None:
        chosen = [request for request in requests if request.split == split]
        if not chosen:
            splits = sorted({request.split for request in requests if request.split})
            known = f"it has {', '.join(splits)}" if splits else "it has no splits"
            raise RequestSetError(file, f"no request of the split {split!r}; {known}")
        requests = chosen
    return sample(requests, limit, seed)


def sample(
    requests: Sequence[LabelledRequest], limit: int | None, seed: int
) -> tuple[LabelledRequest, ...]:
    """Draw at most `limit` requests at random and keep their order."""
    if limit is None or limit >= len(requests):
        return tuple(requests)
    chosen = random.Random(seed).sample(range(len(requests)), limit)
    return tuple(requests[position] for position in sorted(chosen))


def require_known_agents(
    requests: Sequence[LabelledRequest], names: Collection[str], place: str = "requests"
) -> None:
    """Check that every right agent exists.

    Args:
        requests: Labelled requests.
        names: The names of the catalogue's agents.
        place: Where the requests come from, for the message.

    Raises:
        UnknownAgentError: Some do not; the message names them all, with names near them.
    """
    unknown: dict[str, list[str]] = {}
    for request in requests:
        for name in request.agents:
            if name not in names:
                unknown.setdefault(name, []).append(request.id)
    if not unknown:
        return
    import difflib

    described = []
    for name, ids in sorted(unknown.items()):
        near = difflib.get_close_matches(name, names, n=_NEAR_NAMES, cutoff=_NEAR_CUTOFF)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        described.append(f"{name!r} (request {ids[0]}{more}{hint})")
    plural = "labels are no agents" if len(unknown) > 1 else "label is no agent"
    raise UnknownAgentError(
        place, f"{len(unknown)} {plural} of the catalogue:\n  " + "\n  ".join(described)
    )


def _read_all(file: Path) -> list[LabelledRequest]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RequestSetError(file, f"cannot be read: {error.strerror or error}") from None
    text, problems = decode(data, file)
    if problems:
        line = problems[0].line
        raise RequestSetError(file, f"line {line}: {problems[0].message}", line)
    separator = CSV_SUFFIXES.get(file.suffix.lower())
    records = _json_records(text) if separator is None else _table_records(file, text, separator)
    requests: list[LabelledRequest] = []
    malformed: list[tuple[int, str]] = []
    lines: dict[str, int] = {}
    for line, record in records:
        try:
            if isinstance(record, _MalformedError):
                raise record
            request = _request(record, line, in_table=separator is not None)
            if request.id in lines:
                raise _MalformedError(f"the id {request.id!r} is that of line {lines[request.id]}")
        except _MalformedError as error:
            malformed.append((line, str(error)))
            continue
        lines[request.id] = line
        requests.append(request)
    if malformed:
        listed = "; ".join(f"line {line}: {what}" for line, what in malformed[:REPORTED_LINES])
        more = len(malformed) - REPORTED_LINES
        listed += f"; and {more} more" if more > 0 else ""
        plural = "lines are" if len(malformed) > 1 else "line is"
        raise RequestSetError(
            file, f"{len(malformed)} {plural} malformed: {listed}", malformed[0][0]
        )
    if not requests:
        raise RequestSetError(file, "it holds no request")
    return requests


def _json_records(text: str) -> Iterator[tuple[int, Mapping[str, Any] | _MalformedError]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            record = json.loads(content)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            yield line, _MalformedError(f"not valid JSON ({reason})")
            continue
        if isinstance(record, dict):
            yield line, record
        else:
            yield line, _MalformedError("not a JSON object")


def _table_records(
    file: Path, text: str, separator: str
) -> Iterator[tuple[int, Mapping[str, Any] | _MalformedError]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns: list[str] | None = None
    end = 0
    while True:
        # A quoted cell may span lines; a row is named by its first.
        line = end + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, _MalformedError(f"not a valid table row ({error})")
            return
        end = reader.line_num
        if not any(cell.strip() for cell in row):
            continue
        if columns is None:
            columns = [cell.strip().lower() for cell in row]
            _require_columns(file, columns, line)
        elif len(row) != len(columns):
            yield line, _MalformedError(f"{len(row)} cells under {len(columns)} column names")
        else:
            yield line, dict(zip(columns, row, strict=True))


def _require_columns(file: Path, columns: Sequence[str], line: int) -> None:
    for keys, what in ((TEXT_KEYS, "the request"), (AGENT_KEYS, "the agents")):
        if not set(keys) & set(columns):
            raise RequestSetError(
                file, f"line {line}: no column for {what}; name one of {', '.join(keys)}", line
            )


def _request(record: Mapping[str, Any], line: int, *, in_table: bool) -> LabelledRequest:
    text = _first(record, TEXT_KEYS)
    if not isinstance(text, str) or not text.strip():
        raise _MalformedError(f'"{TEXT_KEYS[0]}" must be a text that is not empty')
    agents = _first(record, AGENT_KEYS)
    if agents is None:
        raise _MalformedError(f'no "{AGENT_KEYS[0]}"; give [] where no agent fits')
    identifier = record.get("id")
    if identifier is None or identifier == "":
        identifier = line
    if isinstance(identifier, bool) or not isinstance(identifier, (str, int)):
        raise _MalformedError('"id" must be a text or a whole number')
    split = record.get("split") or ""
    if not isinstance(split, str):
        raise _MalformedError('"split" must be a text')
    return LabelledRequest(
        id=str(identifier),
        text=text,
        agents=_texts(agents, AGENT_KEYS[0], in_table),
        split=split.strip(),
        tags=_texts(record.get("tags") or [], "tags", in_table),
    )


def _first(record: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((record[key] for key in keys if record.get(key) is not None), None)


def _texts(value: Any, key: str, in_table: bool) -> tuple[str, ...]:
    """Return a list of texts without blanks and repeats, of one text or a list."""
    values = value
    if isinstance(value, str):
        values = value.split(LIST_SEPARATOR) if in_table else [value]
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise _MalformedError(f'"{key}" must be a list of texts, or one text')
    return tuple(dict.fromkeys(item.strip() for item in values if item.strip()))
