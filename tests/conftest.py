"""What tests of several parts share: a cheap encoder, and a cache folder of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from agentmatch.encoders.base import Vectors
from agentmatch.tokens import tokenize
from agentmatch.types import Agent

DIMENSION = 64


class HashingEncoder:
    """Turn a text into the normalised sum of one fixed random vector a word.

    The same text has the same vector everywhere; texts that share words are alike.
    """

    def __init__(self, name: str = "hashing", salt: str = "") -> None:
        self.name = name
        self.dimension = DIMENSION
        self.runtime = "hashing"
        self.fingerprint = hashlib.sha256(f"{name}:{salt}".encode()).hexdigest()
        self.encoded: list[str] = []
        self._salt = salt

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.encoded.extend(texts)
        return self._encode(texts)

    def _encode(self, texts: Iterable[str]) -> Vectors:
        rows = [self._vector(text) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(rows), DIMENSION)

    def _vector(self, text: str) -> np.ndarray:
        total = sum(map(self._word, [*tokenize(text), "\0" + text[:1]]), np.zeros(DIMENSION))
        return total / np.linalg.norm(total)

    def _word(self, word: str) -> np.ndarray:
        digest = hashlib.sha256(f"{self._salt}{word}".encode("utf-8", "surrogatepass")).digest()
        generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        return generator.standard_normal(DIMENSION)


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder()


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what fixtures of a wider scope cache out of the user's cache, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTMATCH_CACHE_DIR", str(tmp_path_factory.mktemp("session-cache")))
        yield


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test's indexes out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AGENTMATCH_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="module")
def one_torch_thread() -> Iterator[None]:
    """Let torch train with one thread: several wait for each other on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


AGENTS = Path(__file__).parents[1] / "agents"


@pytest.fixture(scope="session")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder that all tests with the real model share.

    Encoding our own agents takes most of the suite's time, so it is done once.
    """
    return tmp_path_factory.mktemp("real-cache")


TRADES = {
    "roofer": (
        "Mends roofs after heavy storms.",
        "Slates slipped off the ridge",
        "Patch the wet attic",
    ),
    "plumber": (
        "Repairs leaking pipes and taps.",
        "A tap drips all night",
        "Unblock the kitchen drain",
    ),
    "baker": (
        "Bakes bread, rolls and cakes.",
        "A party needs a cake",
        "Bake forty rolls for Sunday",
    ),
    "electrician": (
        "Wires houses and workshops safely.",
        "A fuse blows again",
        "Install a socket by the desk",
    ),
    "gardener": (
        "Keeps lawns, hedges and beds.",
        "Moss covers the lawn",
        "Cut the hedge before nesting",
    ),
}


def trade(name: str) -> Agent:
    description, when, task = TRADES[name]
    return Agent(name, description=description, when_to_use=(when,), example_tasks=(task,))


@pytest.fixture
def trades() -> tuple[Agent, ...]:
    return tuple(trade(name) for name in TRADES)


def write_trades(folder: Path, names: Iterable[str] = TRADES) -> Path:
    """Write agents as files of the reference format."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        description, when, task = TRADES[name]
        (folder / f"{name}.md").write_text(
            f"# {name}: The {name.title()}\n\n## Description\n{description}\n\n"
            f'## When to Use\n- {when}\n\n## Example Tasks\n- "{task}"\n',
            encoding="utf-8",
        )
    return folder
