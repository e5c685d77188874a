"""Tell by one stat pass whether a catalogue's files are those of an earlier moment."""

from __future__ import annotations

import os
import time
from pathlib import Path

from agentmatch.catalogue import candidate_files, resolve_path
from agentmatch.files import SETTLING_TIME
from agentmatch.types import CatalogueState, FileState


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
    for name, file in candidate_files(root):
        try:
            status = os.stat(file)  # noqa: PTH116
        except OSError:
            # It is unreadable or has just gone: loading reports it; here it only has to
            # make the snapshot differ from one in which it can be read.
            files.append(FileState(name, -1, 0))
            continue
        files.append(FileState(name, status.st_size, status.st_mtime_ns))
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
