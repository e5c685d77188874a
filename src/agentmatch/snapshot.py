"""Tell by one stat pass whether a catalogue's files are those of an earlier moment."""

from __future__ import annotations

import time
from pathlib import Path

from agentmatch.catalogue import candidate_files, resolve_path
from agentmatch.types import CatalogueState, FileState

SETTLING_TIME = 2_000_000_000
"""Nanoseconds. File systems record times coarsely: a file that changed this shortly
before it was looked at may change again without a new time, so it is not trusted."""


def take_snapshot(path: Path | str) -> CatalogueState:
    """Record size and time of every file that could define an agent.

    Args:
        path: A catalogue, as `load_catalogue` takes it.

    Returns:
        The state of its files, sorted by path.

    Raises:
        CatalogueError: The path does not exist.
    """
    root = resolve_path(path)
    taken = time.time_ns()
    files = []
    for file in candidate_files(root):
        try:
            status = file.stat()
        except OSError:
            # It is unreadable or has just gone: loading reports it; here it only has to
            # make the snapshot differ from one in which it can be read.
            files.append(FileState(_relative(file, root), -1, 0))
            continue
        files.append(FileState(_relative(file, root), status.st_size, status.st_mtime_ns))
    files.sort(key=lambda file: file.path)
    return CatalogueState(str(root.absolute()), taken, tuple(files))


def is_unchanged(state: CatalogueState) -> bool:
    """Tell whether a catalogue's files are certainly those of an earlier snapshot.

    Args:
        state: The earlier snapshot.

    Returns:
        False also where it cannot be told, as with a file that was written at the time
        of the snapshot.
    """
    if any(file.modified > state.taken - SETTLING_TIME for file in state.files):
        return False
    return take_snapshot(state.path).files == state.files


def _relative(file: Path, root: Path) -> str:
    return file.name if file == root else file.relative_to(root).as_posix()
