"""Keep an index in a folder: written atomically, checked before it is used.

    folder/
      manifest.json        the commit point: replaced in one step, last of all
      generation-<id>/     vectors.npy, agents.jsonl, names.json, whole_text/, description/;
                           beyond `EXACT_LIMIT` passages also approximate.faiss; where the
                           index was tuned also head/
      .lock                held by the process that writes
      partial.vectors      in the cache only: what an interrupted build has encoded

A manifest names one generation and the sha256 of each of its files. Files are checked
before they are used, and then mapped rather than read. Whoever is killed
while writing leaves the former manifest with the former generation, and perhaps a
folder that the next writer clears away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agentmatch.dense import ApproximateIndex, DenseIndex
from agentmatch.digests import file_digests
from agentmatch.errors import (
    IndexCorruptError,
    IndexFolderError,
    IndexFormatError,
    IndexNotFoundError,
)
from agentmatch.files import write_atomically
from agentmatch.index import AgentIndex
from agentmatch.lexical import LEXICAL_FORMAT, LexicalIndex
from agentmatch.mapped import LineTable, map_array
from agentmatch.passages import PASSAGE_FORMAT
from agentmatch.ranking import PassageLayout
from agentmatch.records import AgentRecords, write_record
from agentmatch.types import CatalogueState, FileState, Problem
from agentmatch.version import __version__

if TYPE_CHECKING:
    from agentmatch.tuning.head import TunedHead

INDEX_FORMAT = 2
"""Changes whenever the files of an index folder are laid out in another way."""

MANIFEST = "manifest.json"
PARTIAL = "partial.vectors"
_GENERATION = "generation-"
_AGENTS, _NAMES, _PARSED = "agents.jsonl", "names.json", "parsed.jsonl"
_OFFSETS, _DESCRIBED, _DIGESTS = "passages.npy", "described.npy", "digests.npy"
_VECTORS, _APPROXIMATE = "vectors.npy", "approximate.faiss"
_WHOLE_TEXT, _DESCRIPTION = "whole_text", "description"
_LOCK = ".lock"
_LOCK_WAIT = 600.0
"""Seconds to wait for another process that is writing the same index."""

_READ_ATTEMPTS = 5
"""How often to start over when a writer replaced the generation being read."""


@dataclass(frozen=True)
class Manifest:
    """Describe a saved index.

    Attributes:
        format: The layout of the folder (`INDEX_FORMAT`).
        passage_format: How passages were chosen (`PASSAGE_FORMAT`).
        lexical_format: How words were scored (`LEXICAL_FORMAT`).
        version: The version of agentmatch that wrote it.
        encoder: The encoder's name.
        encoder_fingerprint: The encoder's fingerprint.
        dimension: Components of a vector.
        agents: How many agents.
        passages: How many passages.
        approximate: Effort and measured recall of the approximate search; None where
            all passages are compared.
        generation: The folder with the files.
        files: For each file of the generation its size and sha256.
        catalogue: The files it was built from, or None where it was built from records.
        problems: What was wrong with those files.
        head: What `describe_head` says of the head that it was tuned with, or None.
    """

    format: int
    passage_format: int
    lexical_format: int
    version: str
    encoder: str
    encoder_fingerprint: str
    dimension: int
    agents: int
    passages: int
    approximate: tuple[int, float] | None
    generation: str
    files: dict[str, tuple[int, str]]
    catalogue: CatalogueState | None
    problems: tuple[Problem, ...]
    head: dict[str, Any] | None = None


@dataclass(frozen=True)
class StoredIndex:
    """Hold an index that was read from a folder, and its manifest.

    Attributes:
        index: The index.
        manifest: Its manifest.
        parsed: What was read of each file, as `write_index` got it.
        head: What was learned from labelled requests, if anything.
    """

    index: AgentIndex
    manifest: Manifest
    parsed: Sequence[bytes]
    head: TunedHead | None = None


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of an index folder.

    Args:
        folder: The index folder.

    Returns:
        The manifest.

    Raises:
        IndexNotFoundError: The folder holds no manifest.
        IndexFormatError: Another version of agentmatch wrote it.
        IndexCorruptError: The manifest is truncated or edited.
    """
    file = folder / MANIFEST
    try:
        content = file.read_bytes()
        document = json.loads(content)
    except (FileNotFoundError, NotADirectoryError):
        raise IndexNotFoundError(
            folder,
            f"no index here ({MANIFEST} is missing); build one: agentmatch index DIR -o PATH",
        ) from None
    except (ValueError, RecursionError) as error:
        raise IndexCorruptError(folder, f"{MANIFEST} is not valid JSON ({error})") from None
    if not isinstance(document, dict) or "format" not in document:
        raise IndexCorruptError(folder, f"{MANIFEST} is not one that agentmatch wrote")
    formats = tuple(document.get(key) for key in ("format", "passage_format", "lexical_format"))
    if formats != (INDEX_FORMAT, PASSAGE_FORMAT, LEXICAL_FORMAT):
        raise IndexFormatError(
            folder,
            f"written by agentmatch {document.get('version', '?')} in another format; "
            "build it again: agentmatch index DIR -o PATH",
        )
    body = content[len(_checksummed(b"")) :]
    if content != _checksummed(body):
        raise IndexCorruptError(folder, f"{MANIFEST} was edited or damaged; build the index again")
    del document["checksum"]
    return _manifest_from_json(document)


def read_index(folder: Path) -> StoredIndex:
    """Read an index and check every file of it.

    Args:
        folder: The index folder.

    Returns:
        The index and its manifest.

    Raises:
        IndexFolderError: The index cannot be used; the subclass says why.
    """
    for attempt in range(1, _READ_ATTEMPTS + 1):
        manifest = read_manifest(folder)
        try:
            return _read_generation(folder, manifest)
        except IndexCorruptError:
            # A writer may have swapped the generation since the manifest was read.
            if attempt == _READ_ATTEMPTS or _generation_now(folder) == manifest.generation:
                raise
    raise AssertionError("unreachable")


def _generation_now(folder: Path) -> str | None:
    try:
        return read_manifest(folder).generation
    except IndexFolderError:
        return None


def _read_generation(folder: Path, manifest: Manifest) -> StoredIndex:
    generation = folder / manifest.generation
    try:
        found = file_digests(generation, manifest.files)
    except OSError as error:
        name = Path(error.filename or "a file").name
        raise IndexCorruptError(
            folder, f"{name} is missing or unreadable ({error.strerror}); build the index again"
        ) from None
    for name, expected in manifest.files.items():
        if found[name] != expected:
            raise IndexCorruptError(
                folder, f"{name} was truncated or edited; build the index again"
            )
    try:
        parsed = LineTable.map(generation, _PARSED) if _PARSED in manifest.files else ()
        index = AgentIndex(
            names=tuple(json.loads((generation / _NAMES).read_bytes())),
            agents=AgentRecords(LineTable.map(generation, _AGENTS)),
            layout=PassageLayout(
                map_array(generation / _OFFSETS), map_array(generation / _DESCRIBED)
            ),
            digests=map_array(generation / _DIGESTS),
            dense=DenseIndex.load(generation / _VECTORS),
            approximate=None
            if manifest.approximate is None
            else ApproximateIndex.load(generation / _APPROXIMATE, *manifest.approximate),
            lexical_whole_text=LexicalIndex.load(generation / _WHOLE_TEXT, manifest.agents),
            lexical_description=LexicalIndex.load(generation / _DESCRIPTION, manifest.agents),
            encoder_name=manifest.encoder,
            encoder_fingerprint=manifest.encoder_fingerprint,
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise IndexCorruptError(folder, f"cannot be read ({error}); build it again") from None
    sizes = {len(index.names), len(index.agents), len(index.digests), index.layout.agents}
    if (
        sizes != {manifest.agents}
        or index.dense.vectors.shape != (manifest.passages, manifest.dimension)
        or index.layout.offsets[-1] != manifest.passages
    ):
        raise IndexCorruptError(folder, "its files belong to different indexes; build it again")
    if manifest.head is None:
        return StoredIndex(index, manifest, parsed)
    # Few indexes are tuned, and a cold start feels every import.
    from agentmatch.tuning.storage import read_head

    head = read_head(folder, manifest.generation, manifest.head)
    return StoredIndex(index, manifest, parsed, head)


def write_index(
    folder: Path,
    index: AgentIndex,
    *,
    catalogue: CatalogueState | None = None,
    problems: tuple[Problem, ...] = (),
    parsed: Iterable[bytes] | None = None,
    head: TunedHead | None = None,
) -> Manifest:
    """Write an index; readers see the former one until the last step.

    Hold `lock` around this where another process may write the same folder.

    Args:
        folder: The index folder; made where it does not exist.
        index: The index.
        catalogue: The files it was built from.
        problems: What was wrong with those files.
        parsed: What was read of each file (see `agentmatch.parsed_files`), if it is kept.
        head: What was learned from labelled requests, if anything.

    Returns:
        The manifest.

    Raises:
        IndexFolderError: The folder holds other things and is not overwritten.
        OSError: The disk does not take it.
    """
    require_index_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generation = folder / f"{_GENERATION}{os.urandom(6).hex()}"
    generation.mkdir()
    (generation / _NAMES).write_text(json.dumps(index.names), encoding="ascii")
    LineTable.write(generation, _AGENTS, map(write_record, index.agents))
    if parsed is not None:
        LineTable.write(generation, _PARSED, parsed)
    np.save(generation / _OFFSETS, index.layout.offsets)
    np.save(generation / _DESCRIBED, index.layout.has_description)
    np.save(generation / _DIGESTS, index.digests)
    index.dense.save(generation / _VECTORS)
    if index.approximate is not None:
        index.approximate.save(generation / _APPROXIMATE)
    index.lexical_whole_text.save(generation / _WHOLE_TEXT)
    index.lexical_description.save(generation / _DESCRIPTION)
    described = None
    if head is not None:
        from agentmatch.tuning.storage import describe_head, write_head

        write_head(generation, head)
        described = describe_head(head)
    approximate = index.approximate
    manifest = Manifest(
        format=INDEX_FORMAT,
        passage_format=PASSAGE_FORMAT,
        lexical_format=LEXICAL_FORMAT,
        version=__version__,
        encoder=index.encoder_name,
        encoder_fingerprint=index.encoder_fingerprint,
        dimension=index.dense.dimension,
        agents=len(index.names),
        passages=len(index.dense),
        approximate=None if approximate is None else (approximate.effort, approximate.recall),
        generation=generation.name,
        files=file_digests(generation, _file_names(generation)),
        catalogue=catalogue,
        problems=problems,
        head=described,
    )
    _write_manifest(folder, manifest)
    _clear_leftovers(folder, keep=generation.name)
    return manifest


def touch_catalogue(folder: Path, manifest: Manifest, catalogue: CatalogueState) -> Manifest:
    """Record that an index is still right for the catalogue's files as they are now."""
    updated = replace(manifest, catalogue=catalogue)
    _write_manifest(folder, updated)
    return updated


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep other processes from writing an index folder.

    Raises:
        IndexFolderError: Another process held the lock for ten minutes.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    held = FileLock(folder / _LOCK, timeout=_LOCK_WAIT)
    try:
        held.acquire()
    except Timeout:
        raise IndexFolderError(
            folder, f"another process has been writing this index for {_LOCK_WAIT:.0f} s"
        ) from None
    try:
        yield
    finally:
        held.release()


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    text = json.dumps(_manifest_to_json(manifest))
    write_atomically(folder / MANIFEST, _checksummed(text[1:].encode()))


def require_index_folder(folder: Path) -> None:
    """Refuse to write among files that are not an index of ours.

    Raises:
        IndexFolderError: The folder holds other things.
    """
    if folder.exists() and not folder.is_dir():
        raise IndexFolderError(folder, "is a file; give a folder for the index")
    if not folder.is_dir() or (folder / MANIFEST).exists():
        return
    foreign = [
        entry.name
        for entry in folder.iterdir()
        if entry.name not in (_LOCK, PARTIAL)
        and not entry.name.startswith((_GENERATION, f".{MANIFEST}."))
    ]
    if foreign:
        raise IndexFolderError(
            folder,
            f"holds other files ({sorted(foreign)[0]}); give a new or empty folder for the index",
        )


def _clear_leftovers(folder: Path, keep: str) -> None:
    for entry in folder.iterdir():
        if entry.name.startswith(_GENERATION) and entry.name != keep:
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name.startswith(f".{MANIFEST}."):
            entry.unlink(missing_ok=True)


def _file_names(generation: Path) -> list[str]:
    return sorted(
        file.relative_to(generation).as_posix() for file in generation.rglob("*") if file.is_file()
    )


def _checksummed(body: bytes) -> bytes:
    """Put the sha256 of a JSON object's text, less its opening brace, in front of it."""
    return f'{{"checksum": "{hashlib.sha256(body).hexdigest()}", '.encode() + body


def _manifest_to_json(manifest: Manifest) -> dict[str, Any]:
    document = {
        name: value
        for name, value in vars(manifest).items()
        if name not in ("catalogue", "problems")
    }
    state = manifest.catalogue
    if state is not None:
        files = [[file.path, file.size, file.modified] for file in state.files]
        document["catalogue"] = {"path": state.path, "taken": state.taken, "files": files}
    else:
        document["catalogue"] = None
    document["problems"] = [
        {**asdict(problem), "path": None if problem.path is None else str(problem.path)}
        for problem in manifest.problems
    ]
    return document


def _manifest_from_json(document: dict[str, Any]) -> Manifest:
    state = document["catalogue"]
    if state is not None:
        files = tuple(FileState(*file) for file in state["files"])
        state = CatalogueState(state["path"], state["taken"], files)
    problems = tuple(
        Problem(**{**problem, "path": None if problem["path"] is None else Path(problem["path"])})
        for problem in document["problems"]
    )
    return Manifest(
        **{
            **document,
            "approximate": document["approximate"] and tuple(document["approximate"]),
            "files": {name: (size, digest) for name, (size, digest) in document["files"].items()},
            "catalogue": state,
            "problems": problems,
        }
    )
