"""Where agentmatch keeps files of its own, and how it writes them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

CACHE_VARIABLE = "AGENTMATCH_CACHE_DIR"
"""Environment variable that names another cache folder."""


def cache_root() -> Path:
    """Return the folder that holds everything agentmatch caches."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("agentmatch", appauthor=False)


def write_atomically(file: Path, content: bytes) -> None:
    """Replace a file in one step: readers see the old content or the new, never a mix."""
    import tempfile

    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
