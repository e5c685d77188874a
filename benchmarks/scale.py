"""Catalogues of every size: load time, memory, latency, and what a changed file costs.

Agents are synthetic, and their vectors are sums of fixed random vectors of their words,
not a model's: what is measured here does not depend on what the vectors mean.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmatch import AgentMatcher
from benchmarks.run import say

DIMENSION = 384
"""Components of a vector, as many as the default model's."""

LINES = 5
"""Lines of an agent that become passages, beside name, description and whole text."""

REQUESTS = 200
REPEATS = 7
"""Measurements of which the median is reported."""

OLD = 1_600_000_000_000_000_000
"""A time of modification long past, in nanoseconds."""

_CACHE_VARIABLE = "AGENTMATCH_CACHE_DIR"


class WordVectors:
    """Add up one fixed random vector a word; an encoder that costs next to nothing."""

    name = "word-vectors"
    fingerprint = "word-vectors-1"
    runtime = "numpy"
    dimension = DIMENSION

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self._bank = generator.standard_normal((1 << 13, DIMENSION)).astype(np.float32)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode requests; float32 [n, dimension], rows of unit length."""
        rows = [
            [zlib.crc32(word.encode()) % len(self._bank) for word in text.split()] or [0]
            for text in texts
        ]
        vectors = np.array([self._bank[row].sum(axis=0) for row in rows], dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    encode_documents = encode_queries


def synthetic_agents(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield agents as the lines of an `agents.jsonl`, each with a few words of its own."""
    chooser = random.Random(seed)
    common = [f"word{number}" for number in range(400)]

    def line(own: list[str]) -> str:
        return " ".join(chooser.choices(own, k=4) + chooser.choices(common, k=4))

    for number in range(count):
        own = [f"topic{chooser.randrange(count * 2)}" for _ in range(6)]
        yield {
            "id": f"agent-{number:06}",
            "description": line(own),
            "when_to_use": [line(own) for _ in range(2)],
            "capabilities": [line(own) for _ in range(LINES - 2)],
        }


def synthetic_requests(count: int, agents: int) -> list[str]:
    """Make requests of the same words."""
    made = synthetic_agents(agents)
    return [agent["capabilities"][0] for agent, _ in zip(made, range(count), strict=False)]


def measure_size(count: int) -> dict[str, Any]:
    """Build an index of many agents, then load and use it in processes of their own.

    Args:
        count: How many agents.

    Returns:
        JSON values.
    """
    say(f"{count} agents")
    with tempfile.TemporaryDirectory() as folder:
        catalogue, index = Path(folder) / "agents.jsonl", Path(folder) / "index"
        with catalogue.open("w", encoding="utf-8") as stream:
            for agent in synthetic_agents(count):
                stream.write(json.dumps(agent) + "\n")
        os.utime(catalogue, ns=(OLD, OLD))
        start = time.perf_counter()
        matcher = AgentMatcher.from_directory(catalogue, encoder=WordVectors(), cache=False)
        built = time.perf_counter() - start
        matcher.save(index)
        search, passages = matcher.index.approximate, len(matcher.index.passages)
        del matcher
        size = sum(file.stat().st_size for file in index.rglob("*") if file.is_file())
        # Hashes of files that have just been written are not kept; these have settled.
        time.sleep(2.5)
        probes = [_probe(index, count) for _ in range(REPEATS + 1)][1:]
    medians = {
        key: round(float(np.median([probe[key] for probe in probes])), 3) for key in probes[0]
    }
    return {
        "agents": count,
        "passages": passages,
        "search": "exact" if search is None else f"approximate, recall@10 {search.recall:.4f}",
        "build_without_encoding_s": round(built, 2),
        "index_mb": round(size / 1e6, 1),
        **medians,
    }


def _probe(index: Path, count: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", str(index), str(count)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def probe(index: Path, count: int) -> dict[str, float]:
    """Load an index and answer requests; times in ms, memory in MB."""
    requests = synthetic_requests(REQUESTS, count)
    encoder = WordVectors()
    before = _memory()
    start = time.perf_counter()
    matcher = AgentMatcher.load(index, encoder=encoder)
    loaded = time.perf_counter()
    matcher.match(requests[0])
    first = time.perf_counter()
    after = _memory()
    times = []
    for request in requests:
        began = time.perf_counter()
        matcher.match(request)
        times.append(time.perf_counter() - began)
    return {
        "load_ms": 1000 * (loaded - start),
        "first_match_ms": 1000 * (first - loaded),
        "match_p50_ms": 1000 * float(np.percentile(times, 50)),
        "match_p95_ms": 1000 * float(np.percentile(times, 95)),
        "private_memory_mb": after - before,
    }


def _memory() -> float:
    """Return the memory of this process that no other can share, in MB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) / 1024


def measure_refresh(count: int, texts_per_second: float | None) -> dict[str, Any]:
    """Edit one of many files and compare the refresh with a build from nothing.

    Args:
        count: How many agents.
        texts_per_second: What the real encoder does, to say what a full build would
            take with it; None leaves that out.

    Returns:
        JSON values.
    """
    say(f"refresh of {count} files")
    encoder = WordVectors()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "agents"
        folder.mkdir()
        for agent in synthetic_agents(count):
            _write_file(folder, agent, OLD)
        former = os.environ.get(_CACHE_VARIABLE)
        os.environ[_CACHE_VARIABLE] = str(Path(place) / "cache")
        try:
            start = time.perf_counter()
            matcher = AgentMatcher.from_directory(folder, encoder=encoder)
            full = time.perf_counter() - start
            times = []
            edited = next(synthetic_agents(1))
            for number in range(1, REPEATS + 1):
                edited["description"] = f"edited{number} topic1 topic2"
                _write_file(folder, edited, OLD + number * 10**9)
                start = time.perf_counter()
                matcher.refresh()
                times.append(time.perf_counter() - start)
        finally:
            if former is None:
                del os.environ[_CACHE_VARIABLE]
            else:
                os.environ[_CACHE_VARIABLE] = former
    refresh = float(np.median(times))
    passages = len(matcher.index.passages)
    result: dict[str, Any] = {
        "agents": count,
        "passages": passages,
        "full_without_encoding_s": round(full, 2),
        "refresh_s": round(refresh, 3),
        "ratio_without_encoding": round(full / refresh, 1),
    }
    if texts_per_second:
        encoding = passages / texts_per_second
        result["full_with_encoding_s (computed)"] = round(full + encoding, 1)
        result["ratio_with_encoding (computed)"] = round((full + encoding) / refresh, 1)
    return result


def _write_file(folder: Path, agent: dict[str, Any], modified: int) -> None:
    file = folder / f"{agent['id']}.md"
    sections = [("When to Use", agent["when_to_use"]), ("Capabilities", agent["capabilities"])]
    text = f"---\nname: {agent['id']}\ndescription: {agent['description']}\n---\n"
    for heading, lines in sections:
        text += f"\n## {heading}\n" + "".join(f"- {line}\n" for line in lines)
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(modified, modified))


def main() -> int:
    """Run one probe as a process of its own."""
    parser = argparse.ArgumentParser(description="Load an index and answer requests.")
    parser.add_argument("index", type=Path)
    parser.add_argument("agents", type=int)
    arguments = parser.parse_args()
    print(json.dumps(probe(arguments.index, arguments.agents)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
