"""Where agentmatch keeps files of its own, and how it writes them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

CACHE_VARIABLE = "AGENTMATCH_CACHE_DIR"
"""Environment variable that names another cache folder."""

SETTLING_TIME = 2_000_000_000
"""Nanoseconds. File systems record times coarsely: a file that changed this shortly
before it was looked at may change again without a new time, so it is not trusted."""


def cache_root() -> Path:
    """Return the folder that holds everything agentmatch caches."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("agentmatch", appauthor=False)


def write_atomically(file: Path, content: bytes) -> None:
    """Replace a file in one step: readers see the old content or the new, never a mix."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.urandom(6).hex()}")
    try:
        # Opened the plain way, so that the user's umask decides who may read the file.
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
