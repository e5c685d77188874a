"""Kill index builds at random points and check that what is left is never wrong.

Each round changes a catalogue, starts one builder or two in processes of their own
(`AgentMatcher.from_directory` with its cache, then `save`) and kills the first with
SIGKILL after a random time. Then both places are read: the cache and the saved index.
Each must be absent, refused with an `IndexFolderError` (an index of the former catalogue
is stale), or exactly right: its agents those of the catalogue, its rankings those of a
fresh build.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agentmatch import Agent, AgentMatcher, IndexFolderError, IndexNotFoundError, IndexStaleError

KILLS = 50
"""Builds that are killed before they end."""

ROUNDS_PER_KILL = 4
"""Rounds at most for each of them: some builds end before they are killed."""

AGENTS = 30
"""Agents of the catalogue; enough for a build of a tenth of a second."""

SECONDS_PER_BLOCK = 0.02
"""How long the encoder sleeps for a block of texts, as a model would compute."""

TWO_WRITERS_EVERY = 4
"""Each such round has two builders of one index, of which one is killed."""

_CACHE_VARIABLE = "AGENTMATCH_CACHE_DIR"
_REQUESTS = tuple(f"request about subject {number}" for number in range(12))
_STARTED = "started"
_KILLED = "builds killed"
_DIMENSION = 32


class SleepyEncoder:
    """Give each text a vector of its own, made of its hash, and take a while."""

    name = "sleepy"
    dimension = _DIMENSION
    fingerprint = "sleepy-1"

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode requests; float32 [n, dimension], rows of unit length."""
        time.sleep(self._seconds)
        return np.stack([_vector(text) for text in texts])

    encode_documents = encode_queries


def _vector(text: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(_DIMENSION).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks kill`."""
    parser.add_argument("--kills", type=int, default=KILLS, help="builds that are killed")
    parser.add_argument("--seed", type=int, default=0, help="chooses times and changes")
    parser.add_argument("--build", nargs=2, metavar=("CATALOGUE", "INDEX"), help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    if arguments.build:
        build(*map(Path, arguments.build))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), random.Random(arguments.seed))
        for number in range(arguments.kills * ROUNDS_PER_KILL):
            trial.play(number)
            if trial.counts[_KILLED] >= arguments.kills:
                break
        trial.finish()
    for name, count in sorted(trial.counts.items()):
        print(f"{name:34}{count:6}")
    for line in trial.wrong:
        print(f"wrong: {line}", file=sys.stderr)
    print(f"{'wrong contents':34}{len(trial.wrong):6}")
    return 1 if trial.wrong or trial.counts[_KILLED] < arguments.kills else 0


def build(catalogue: Path, index: Path) -> None:
    """Build and save an index, as `agentmatch index` does."""
    # All libraries are loaded by this, so that the time measured is that of the build.
    with tempfile.TemporaryDirectory() as folder:
        AgentMatcher([Agent(name="first", description="Warms up.")], encoder=SleepyEncoder()).save(
            Path(folder) / "index"
        )
    print(_STARTED, flush=True)
    encoder = SleepyEncoder(SECONDS_PER_BLOCK)
    AgentMatcher.from_directory(catalogue, encoder=encoder).save(index)
    os._exit(0)


@dataclass
class Trial:
    """Hold the folders and the findings of all rounds.

    Attributes:
        folder: Everything is below it.
        random: Chooses times and changes.
        counts: What was found how often.
        wrong: What must not be.
    """

    folder: Path
    random: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _present: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    _seconds: float = 0.0

    @property
    def catalogue(self) -> Path:
        """Return the folder of agent files."""
        return self.folder / "agents"

    @property
    def cache(self) -> Path:
        """Return the cache folder of the builders."""
        return self.folder / "cache"

    @property
    def judge(self) -> Path:
        """Return the cache folder of this process, which judges what builders left."""
        return self.folder / "judge"

    @property
    def index(self) -> Path:
        """Return the folder of the saved index."""
        return self.folder / "index"

    def play(self, number: int) -> None:
        """Change the catalogue, kill a builder, check what it left."""
        if number == 0:
            os.environ[_CACHE_VARIABLE] = str(self.judge)
            self._write_agents(range(AGENTS), number)
            # An undisturbed build says how long the time to choose from is; it is then cleared.
            self._seconds = self._time_build()
            shutil.rmtree(self.cache)
            shutil.rmtree(self.index)
        else:
            chosen = self.random.sample(range(AGENTS), self.random.randint(1, AGENTS))
            self._write_agents(chosen, number)
        two = number % TWO_WRITERS_EVERY == TWO_WRITERS_EVERY - 1
        builders = [self._start() for _ in range(2 if two else 1)]
        time.sleep(self.random.uniform(0, self._seconds))
        ended = builders[0].poll() is not None
        builders[0].send_signal(signal.SIGKILL)
        builders[0].wait()
        self.counts["builds that ended before the kill" if ended else _KILLED] += 1
        for other in builders[1:]:
            self._await(other, "a second writer")
        self.check(f"round {number}")

    def finish(self) -> None:
        """Let two writers end undisturbed; everything must then be there and right."""
        self._write_agents(range(AGENTS), -1)
        for builder in [self._start(), self._start()]:
            self._await(builder, "one of two writers")
        found = self.check("the last build")
        if set(found) != {"exactly right"}:
            self.wrong.append(f"after two undisturbed builds: {found}")
        leftovers = [entry for entry in self.index.iterdir() if entry.name.startswith("generation")]
        self.counts["generations left at the end"] += len(leftovers)
        if len(leftovers) != 1:
            self.wrong.append(f"{len(leftovers)} generations are left in the index")

    def check(self, label: str) -> list[str]:
        """Judge the saved index, then a copy of the cache, so that checking mends nothing."""
        found = [self._judge(f"{label}, index", self.index)]
        folders = sorted((self.cache / "indexes").glob("*")) if self.cache.exists() else []
        found += [self._judge(f"{label}, cache", folder) for folder in folders]
        copy = self.folder / "copy"
        if self.cache.exists():
            shutil.copytree(self.cache, copy)
        os.environ[_CACHE_VARIABLE] = str(copy)
        try:
            mended = AgentMatcher.from_directory(self.catalogue, encoder=SleepyEncoder())
        finally:
            shutil.rmtree(copy, ignore_errors=True)
            os.environ[_CACHE_VARIABLE] = str(self.judge)
        if not self._is_right(mended):
            self.wrong.append(f"{label}: the next run answers from something else")
        return found

    def _judge(self, label: str, folder: Path) -> str:
        try:
            matcher = AgentMatcher.load(folder, encoder=SleepyEncoder())
        except IndexNotFoundError:
            verdict = "absent"
        except IndexStaleError:
            verdict = "refused: stale"
        except IndexFolderError as error:
            verdict = f"refused: {type(error).__name__}"
        else:
            verdict = "exactly right" if self._is_right(matcher) else "wrong"
            if verdict == "wrong":
                self.wrong.append(label)
        self.counts[f"{label.rpartition(' ')[2]}: {verdict}"] += 1
        return verdict

    def _is_right(self, matcher: AgentMatcher) -> bool:
        """Tell whether a matcher holds the present catalogue and ranks as a fresh one."""
        if _content(matcher) != self._present:
            return False
        fresh = AgentMatcher(matcher.agents, encoder=SleepyEncoder())
        return [_answers(matcher, request) for request in _REQUESTS] == [
            _answers(fresh, request) for request in _REQUESTS
        ]

    def _write_agents(self, chosen: Sequence[int], version: int) -> None:
        self.catalogue.mkdir(exist_ok=True)
        for number in chosen:
            subject = f"Handles subject {number} of version {version}."
            lines = [f"- Task {task} of subject {number}, version {version}" for task in range(6)]
            (self.catalogue / f"agent-{number:02}.md").write_text(
                f"---\nname: agent-{number:02}\ndescription: {subject}\n---\n"
                "## Example Tasks\n" + "\n".join(lines) + "\n",
                encoding="utf-8",
            )
        matcher = AgentMatcher.from_directory(self.catalogue, encoder=SleepyEncoder(), cache=False)
        self._present = _content(matcher)

    def _start(self) -> subprocess.Popen[str]:
        builder = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.kill_index_build"),
                *("--build", str(self.catalogue), str(self.index)),
            ],
            env={**os.environ, _CACHE_VARIABLE: str(self.cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Python and its libraries take longer to start than the build takes.
        assert builder.stdout is not None
        builder.stdout.readline()
        return builder

    def _await(self, builder: subprocess.Popen[str], label: str) -> None:
        _, errors = builder.communicate(timeout=120)
        self.counts[f"{label} that ended"] += 1
        if builder.returncode:
            self.wrong.append(f"{label} failed: {errors.strip().splitlines()[-1:]}")

    def _time_build(self) -> float:
        builder = self._start()
        start = time.perf_counter()
        self._await(builder, "an undisturbed build")
        return time.perf_counter() - start


def _content(matcher: AgentMatcher) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(agent.name, agent.description, agent.example_tasks) for agent in matcher.agents]


def _answers(matcher: AgentMatcher, request: str) -> list[tuple[str, float]]:
    return [(match.agent.name, match.score) for match in matcher.match(request, top_k=10)]


def main() -> int:
    """Run as a process of its own: `python -m benchmarks.kill_index_build`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
