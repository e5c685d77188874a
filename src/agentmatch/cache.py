"""Keep the index of each catalogue in the user's cache folder, up to date."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from agentmatch.catalogue import load_catalogue, resolve_path, unique_agents
from agentmatch.encoders.base import Encoder
from agentmatch.errors import IndexFolderError, IndexNotFoundError
from agentmatch.files import cache_root
from agentmatch.index import AgentIndex, Progress, build_index
from agentmatch.parsed_files import ParsedFiles
from agentmatch.partial import PartialVectors
from agentmatch.snapshot import is_unchanged, take_snapshot
from agentmatch.store import (
    PARTIAL,
    StoredIndex,
    lock,
    read_index,
    touch_catalogue,
    write_index,
)
from agentmatch.types import CatalogueState, Problem
from agentmatch.version import __version__

logger = logging.getLogger("agentmatch")


@dataclass(frozen=True)
class CachedIndex:
    """Hold an up-to-date index and what it was made from.

    Attributes:
        index: The index.
        state: The catalogue's files when they were read.
        problems: What was wrong with them.
    """

    index: AgentIndex
    state: CatalogueState | None
    problems: tuple[Problem, ...]


def cache_folder(path: Path | str, encoder: Encoder) -> Path:
    """Return the cache folder of one catalogue and one encoder.

    Args:
        path: A catalogue, as `load_catalogue` takes it.
        encoder: The encoder.

    Returns:
        A folder that need not exist.
    """
    root = resolve_path(path).resolve()
    key = hashlib.sha256(f"{root}\0{encoder.fingerprint}".encode("utf-8", "surrogateescape"))
    return cache_root() / "indexes" / key.hexdigest()[:24]


def load_cached_index(
    path: Path | str,
    encoder: Encoder,
    *,
    previous: AgentIndex | None = None,
    progress: Progress | None = None,
) -> CachedIndex:
    """Return the index of a catalogue as its files are now.

    Args:
        path: A catalogue, as `load_catalogue` takes it.
        encoder: The encoder.
        previous: An index whose vectors are taken over where the cache has none.
        progress: Called as texts are encoded.

    Returns:
        The cached index where no file changed; else one in which only the agents that
        changed were encoded anew, written back to the cache.

    Raises:
        CatalogueError: The path does not exist, or holds no agent.
    """
    folder = cache_folder(path, encoder)
    stored = _read(folder, encoder)
    if stored is not None and _is_current(stored):
        return _cached(stored)
    try:
        with lock(folder):
            # Another process may have brought the cache up to date in the meantime. What
            # is wrong with it has been said already.
            stored = _read(folder, encoder, warn=False)
            if stored is not None and _is_current(stored):
                return _cached(stored)
            return _update(path, folder, stored, encoder, previous, progress)
    except (OSError, IndexFolderError) as error:
        logger.warning("the index cannot be kept in the cache (%s); it is built for now", error)
        return _update(path, None, stored, encoder, previous, progress)


def _cached(stored: StoredIndex) -> CachedIndex:
    return CachedIndex(stored.index, stored.manifest.catalogue, stored.manifest.problems)


def _is_current(stored: StoredIndex) -> bool:
    state = stored.manifest.catalogue
    # Another version may read the same files in another way.
    written = stored.manifest.version == __version__
    return written and state is not None and is_unchanged(state)


def _read(folder: Path, encoder: Encoder, *, warn: bool = True) -> StoredIndex | None:
    try:
        stored = read_index(folder)
    except IndexNotFoundError:
        return None
    except IndexFolderError as error:
        if warn:
            logger.warning("the index is built anew, for the cached one is unusable: %s", error)
        return None
    if stored.manifest.encoder_fingerprint != encoder.fingerprint:
        if warn:
            logger.warning("the index is built anew: that in %s is of another encoder", folder)
        return None
    return stored


def _update(
    path: Path | str,
    folder: Path | None,
    stored: StoredIndex | None,
    encoder: Encoder,
    previous: AgentIndex | None,
    progress: Progress | None,
) -> CachedIndex:
    # Taken before the files are read: a file that changes meanwhile is read again.
    state = take_snapshot(path)
    files = ParsedFiles(stored.parsed if stored is not None else ())
    catalogue = load_catalogue(path, read=files.read)
    partial = None
    if folder is not None:
        partial = PartialVectors(folder / PARTIAL, encoder.fingerprint)
    index = build_index(
        unique_agents(catalogue.agents),
        encoder,
        previous=previous if stored is None else stored.index,
        progress=progress,
        partial=partial,
    )
    if folder is not None:
        same = (
            stored is not None
            and stored.manifest.version == __version__
            and stored.manifest.problems == catalogue.problems
            and stored.index.agents == index.agents
        )
        if same and stored is not None:
            touch_catalogue(folder, stored.manifest, state)
        else:
            write_index(
                folder, index, catalogue=state, problems=catalogue.problems, parsed=files.lines()
            )
    if partial is not None:
        partial.clear()
    return CachedIndex(index, state, catalogue.problems)
