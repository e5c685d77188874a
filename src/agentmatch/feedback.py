"""Collect what users say of answers, in the format that `tune` and `evaluate` read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from agentmatch.errors import InvalidRequestError

FEEDBACK_VARIABLE = "AGENTMATCH_FEEDBACK"
"""Environment variable that names another feedback file."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)

FEEDBACK_TAG = "feedback"
"""The tag of every recorded request."""


def feedback_file(catalogue: Path | str | None = None) -> Path:
    """Return the file that feedback on a catalogue goes to.

    It is data of the user's, not a cache that may be cleared, and no file of the
    catalogue, which may be read-only or shared: it stands in the user's data folder, one
    file a catalogue.

    Args:
        catalogue: The catalogue's folder or file; None for feedback on no special one.

    Returns:
        `$AGENTMATCH_FEEDBACK` where that is set, else a file that need not exist.
    """
    chosen = os.environ.get(FEEDBACK_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_data_path

    name = "requests.jsonl"
    if catalogue is not None:
        root = Path(catalogue).expanduser().resolve()
        digest = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()
        name = f"{root.name or 'root'}-{digest[:8]}.jsonl"
    return user_data_path("agentmatch", appauthor=False) / "feedback" / name


def record_feedback(
    request: str, agents: Sequence[str] | str, file: Path | str | None = None
) -> Path:
    """Append one labelled request to a file.

    The line is written in one step at the end of the file, so that programs that record
    at the same time never mix theirs. The file is a set of labelled requests, of the
    split "train".

    Args:
        request: The request as it was asked.
        agents: The agents, or the one agent, that should take it; empty where none fits.
        file: The file; `feedback_file()` where none is given.

    Returns:
        The file.

    Raises:
        InvalidRequestError: The request or an agent's name is empty.
        OSError: The file cannot be written.
    """
    names = [agents] if isinstance(agents, str) else list(agents)
    if not isinstance(request, str) or not request.strip():
        raise InvalidRequestError("the request is empty; say what was asked")
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise InvalidRequestError("an agent's name is empty; give no agent where none fits")
    path = feedback_file() if file is None else Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        # Random, so that writers need not know of each other.
        "id": f"feedback-{os.urandom(8).hex()}",
        "text": request,
        "agents": list(dict.fromkeys(names)),
        "split": "train",
        "tags": [FEEDBACK_TAG],
    }
    # ASCII escapes keep lone surrogates, and line separators of Unicode, out of the file.
    line = json.dumps(record).encode("ascii") + b"\n"
    descriptor = os.open(path, _FLAGS, 0o666)
    try:
        # A line that someone left without its end must not swallow ours.
        if _is_cut_off(descriptor):
            line = b"\n" + line
        written = os.write(descriptor, line)
        if written != len(line):
            raise OSError(f"{path}: only {written} of {len(line)} bytes were written")
    finally:
        os.close(descriptor)
    return path


def _is_cut_off(descriptor: int) -> bool:
    """Tell whether a file ends within a line."""
    size = os.fstat(descriptor).st_size
    if size == 0:
        return False
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) != b"\n"
