"""Remember what was read of each file of a catalogue, so that only changed files are parsed.

Kept as it was parsed, before repeated texts are taken out of agents, because which texts
repeat depends on all files.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentmatch.catalogue import FileContent, read_file
from agentmatch.files import SETTLING_TIME
from agentmatch.records import agent_from_json, agent_to_json
from agentmatch.types import Problem
from agentmatch.version import __version__

State = tuple[int, int]
"""A file's size in bytes and its time of modification in nanoseconds."""


class ParsedFiles:
    """Read files of one catalogue, those that did not change from an earlier reading.

    Give `read` to `load_catalogue`; `lines` then holds what to keep for the next time.

    Args:
        earlier: The lines that were kept; those of another version of agentmatch,
            which may parse otherwise, are not used.
    """

    def __init__(self, earlier: Sequence[bytes] = ()) -> None:
        self._earlier = earlier
        self._taken = time.time_ns()
        self._known: dict[str, tuple[State, int]] = {}
        self._kept: dict[str, tuple[State, bytes]] = {}
        self.parsed = 0
        header = json.loads(earlier[0]) if earlier else {}
        if header.get("version") == __version__:
            self._known = {
                path: ((size, modified), number)
                for number, (path, size, modified) in enumerate(header["files"], 1)
            }

    def read(self, file: Path) -> FileContent:
        """Return the agents and problems of a file, as `catalogue.read_file` does."""
        try:
            status = file.stat()
        except OSError:
            return read_file(file)
        key = str(file.absolute())
        state = status.st_size, status.st_mtime_ns
        known, number = self._known.get(key, (None, 0))
        if known == state:
            line = self._earlier[number]
            content = _from_line(line, file)
        else:
            self.parsed += 1
            content = read_file(file)
            line = _to_line(content)
        # One that changed just now may change again without a new time.
        if status.st_mtime_ns <= self._taken - SETTLING_TIME:
            self._kept[key] = state, line
        return content

    def lines(self) -> Iterator[bytes]:
        """Yield what to keep: a line that lists the files, then one for each."""
        files = [[path, *state] for path, (state, _) in self._kept.items()]
        yield json.dumps({"version": __version__, "files": files}).encode()
        for _, line in self._kept.values():
            yield line


def _to_line(content: FileContent) -> bytes:
    # All paths are the file's own and may be spelled in another way the next time.
    agents = [{**agent_to_json(agent), "path": None} for agent in content[0]]
    problems = [
        [problem.severity, problem.code, problem.message, problem.line] for problem in content[1]
    ]
    text = json.dumps([agents, problems], ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _from_line(line: bytes, file: Path) -> FileContent:
    agents: list[dict[str, Any]]
    agents, problems = json.loads(line.decode("utf-8", "surrogatepass"))
    return (
        [replace(agent_from_json(agent), path=file) for agent in agents],
        [
            Problem(severity, code, message, file, number)
            for severity, code, message, number in problems
        ],
    )
