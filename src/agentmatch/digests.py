"""Hash files, or look up the hashes of files that have not changed since.

Hashing takes longer than answering a request. So hashes are kept in the user's cache
folder, each with the size, times and inode that its file had; a file that differs in any
of them is hashed again. The time of the last change of an inode (ctime) cannot be set by
a program, so a file that was edited and given its old time is seen as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from agentmatch.files import SETTLING_TIME, cache_root, write_atomically

_HASH_BLOCK = 1 << 20


def file_digests(folder: Path, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Return size and sha256 of files.

    Args:
        folder: The folder of all of them.
        names: Their paths within the folder, with forward slashes.

    Returns:
        Size in bytes and sha256 (64 hexadecimal digits) of each file by its name.

    Raises:
        OSError: A file cannot be read; its `filename` says which.
    """
    key = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:24]
    record = cache_root() / "digests" / f"{key}.json"
    known = _read_record(record)
    kept: dict[str, list[int | str]] = {}
    found: dict[str, tuple[int, str]] = {}
    now = time.time_ns()
    for name in names:
        file = folder / name
        status = file.stat()
        state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        *before, digest = known.get(name, [""])
        if before != state:
            digest = _sha256(file)
        found[name] = status.st_size, str(digest)
        # One that changed just now may change again without a new time.
        if max(status.st_mtime_ns, status.st_ctime_ns) <= now - SETTLING_TIME:
            kept[name] = [*state, digest]
    if kept != known:
        # Without a cache the files are hashed again each time; nothing else is lost.
        with contextlib.suppress(OSError):
            write_atomically(record, json.dumps(kept).encode())
    return found


def _read_record(record: Path) -> dict[str, list[int | str]]:
    """Return the hashes kept; those of a damaged record are not used."""
    try:
        known = json.loads(record.read_bytes())
        valid = all(len(entry) == 5 and len(entry[-1]) == 64 for entry in known.values())
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return dict(known) if valid else {}


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()
