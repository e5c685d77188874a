"""Keep an index in a folder: written atomically, checked before it is used.

    folder/
      manifest.json        the commit point: replaced in one step, last of all
      generation-<id>/     vectors.faiss, agents.json, whole_text/, description/, and head/
                           where the index was tuned
      .lock                held by the process that writes

A manifest names one generation and the sha256 of each of its files. Whoever is killed
while writing leaves the former manifest with the former generation, and perhaps a
folder that the next writer clears away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agentmatch.dense import DenseIndex
from agentmatch.errors import (
    IndexCorruptError,
    IndexFolderError,
    IndexFormatError,
    IndexNotFoundError,
)
from agentmatch.files import write_atomically
from agentmatch.index import AgentIndex, layout_of
from agentmatch.lexical import LEXICAL_FORMAT, LexicalIndex
from agentmatch.passages import PASSAGE_FORMAT, content_hash, passages_of
from agentmatch.records import agent_from_json, agent_to_json
from agentmatch.tuning.head import TunedHead
from agentmatch.tuning.storage import describe_head, read_head, write_head
from agentmatch.types import CatalogueState, FileState, Problem
from agentmatch.version import __version__

INDEX_FORMAT = 1
"""Changes whenever the files of an index folder are laid out in another way."""

MANIFEST = "manifest.json"
_GENERATION = "generation-"
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
        agents: For each agent in row order: name, content hash, number of passages.
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
    agents: tuple[tuple[str, str, int], ...]
    generation: str
    files: dict[str, tuple[int, str]]
    catalogue: CatalogueState | None
    problems: tuple[Problem, ...]
    head: dict[str, Any] | None = None


@dataclass(frozen=True)
class StoredIndex:
    """Hold an index that was read from a folder, its manifest, and its head if any."""

    index: AgentIndex
    manifest: Manifest
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
        document = json.loads(file.read_bytes())
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
    checksum = document.pop("checksum", None)
    if checksum != _checksum(document):
        raise IndexCorruptError(folder, f"{MANIFEST} was edited or damaged; build the index again")
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
            index = _read_generation(folder, manifest)
            head = read_head(folder, manifest.generation, manifest.head)
            return StoredIndex(index, manifest, head)
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


def _read_generation(folder: Path, manifest: Manifest) -> AgentIndex:
    generation = folder / manifest.generation
    for name, (size, expected) in manifest.files.items():
        try:
            content = (generation / name).read_bytes()
        except OSError as error:
            raise IndexCorruptError(
                folder, f"{name} is missing or unreadable ({error.strerror}); build the index again"
            ) from None
        if len(content) != size or hashlib.sha256(content).hexdigest() != expected:
            raise IndexCorruptError(
                folder, f"{name} was truncated or edited; build the index again"
            )
    try:
        records = json.loads((generation / "agents.json").read_bytes())
        agents = tuple(agent_from_json(record) for record in records)
        dense = DenseIndex.load(generation / "vectors.faiss")
        whole_text = LexicalIndex.load(generation / "whole_text")
        description = LexicalIndex.load(generation / "description")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise IndexCorruptError(folder, f"cannot be read ({error}); build it again") from None
    grouped = [passages_of(agent) for agent in agents]
    hashes = tuple(content_hash(agent) for agent in agents)
    found = tuple(
        (agent.name, digest, len(passages))
        for agent, digest, passages in zip(agents, hashes, grouped, strict=True)
    )
    rows = sum(count for _, _, count in found)
    if found != manifest.agents or len(dense) != rows or dense.dimension != manifest.dimension:
        raise IndexCorruptError(folder, "its files belong to different indexes; build it again")
    return AgentIndex(
        agents=agents,
        passages=tuple(passage for passages in grouped for passage in passages),
        layout=layout_of(grouped),
        content_hashes=hashes,
        dense=dense,
        lexical_whole_text=whole_text,
        lexical_description=description,
        encoder_name=manifest.encoder,
        encoder_fingerprint=manifest.encoder_fingerprint,
    )


def write_index(
    folder: Path,
    index: AgentIndex,
    *,
    catalogue: CatalogueState | None = None,
    problems: tuple[Problem, ...] = (),
    head: TunedHead | None = None,
) -> Manifest:
    """Write an index; readers see the former one until the last step.

    Hold `lock` around this where another process may write the same folder.

    Args:
        folder: The index folder; made where it does not exist.
        index: The index.
        catalogue: The files it was built from.
        problems: What was wrong with those files.
        head: What was learned from labelled requests, if anything.

    Returns:
        The manifest.

    Raises:
        IndexFolderError: The folder holds other things and is not overwritten.
        OSError: The disk does not take it.
    """
    _require_ours(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generation = folder / f"{_GENERATION}{uuid.uuid4().hex[:12]}"
    generation.mkdir()
    records = [agent_to_json(agent) for agent in index.agents]
    (generation / "agents.json").write_text(
        json.dumps(records, ensure_ascii=False, separators=(",", ":")),
        encoding="utf-8",
        errors="surrogatepass",
    )
    index.dense.save(generation / "vectors.faiss")
    index.lexical_whole_text.save(generation / "whole_text")
    index.lexical_description.save(generation / "description")
    if head is not None:
        write_head(generation, head)
    manifest = Manifest(
        format=INDEX_FORMAT,
        passage_format=PASSAGE_FORMAT,
        lexical_format=LEXICAL_FORMAT,
        version=__version__,
        encoder=index.encoder_name,
        encoder_fingerprint=index.encoder_fingerprint,
        dimension=index.dense.dimension,
        agents=tuple(
            (agent.name, digest, len(index.rows(position)))
            for position, (agent, digest) in enumerate(
                zip(index.agents, index.content_hashes, strict=True)
            )
        ),
        generation=generation.name,
        files=_digest_files(generation),
        catalogue=catalogue,
        problems=problems,
        head=None if head is None else describe_head(head),
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
    document = json.loads(json.dumps(_manifest_to_json(manifest)))
    document["checksum"] = _checksum(document)
    text = json.dumps(document, indent=1)
    write_atomically(folder / MANIFEST, text.encode("utf-8"))


def _require_ours(folder: Path) -> None:
    """Refuse to write among files that are not an index of ours."""
    if folder.exists() and not folder.is_dir():
        raise IndexFolderError(folder, "is a file; give a folder for the index")
    if not folder.is_dir() or (folder / MANIFEST).exists():
        return
    foreign = [
        entry.name
        for entry in folder.iterdir()
        if entry.name != _LOCK and not entry.name.startswith((_GENERATION, f".{MANIFEST}."))
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


def _digest_files(generation: Path) -> dict[str, tuple[int, str]]:
    digests = {}
    for file in sorted(generation.rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            name = file.relative_to(generation).as_posix()
            digests[name] = (len(content), hashlib.sha256(content).hexdigest())
    return digests


def _checksum(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _manifest_to_json(manifest: Manifest) -> dict[str, Any]:
    document = {
        name: value
        for name, value in vars(manifest).items()
        if name not in ("catalogue", "problems")
    }
    state = manifest.catalogue
    document["catalogue"] = None if state is None else asdict(state)
    document["problems"] = [
        {**asdict(problem), "path": None if problem.path is None else str(problem.path)}
        for problem in manifest.problems
    ]
    return document


def _manifest_from_json(document: dict[str, Any]) -> Manifest:
    state = document["catalogue"]
    if state is not None:
        files = tuple(FileState(**file) for file in state["files"])
        state = CatalogueState(state["path"], state["taken"], files)
    problems = tuple(
        Problem(**{**problem, "path": None if problem["path"] is None else Path(problem["path"])})
        for problem in document["problems"]
    )
    return Manifest(
        **{
            **document,
            "agents": tuple((name, digest, count) for name, digest, count in document["agents"]),
            "files": {name: (size, digest) for name, (size, digest) in document["files"].items()},
            "catalogue": state,
            "problems": problems,
        }
    )
