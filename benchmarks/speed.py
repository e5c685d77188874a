"""Measure time and memory: cold start, latency, throughput, catalogues of every size.

Sections are measured apart and merged into one result file. Ratios compare what was
measured in turns within one run; times alone depend on the machine and its load.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmatch import Agent, AgentMatcher, load_catalogue, load_encoder
from agentmatch.encoders.bert_encoder import BertEncoder
from agentmatch.encoders.models import DEFAULT_MODEL, find_model
from benchmarks import million, scale
from benchmarks.run import RESULTS, machine, say, versions, write_result

REPEATS = 9
"""Measurements of which the median is reported."""

COLD_AGENTS = 60
COLD_LINES = 13
"""Lines of each agent in the cold start's catalogue, so that it holds about 900 passages."""

REQUEST = "Implement user authentication with JWT"
LATENCY_AGENTS = (64, 4000)
LATENCY_REQUESTS = 200
THROUGHPUT_TEXTS = 512
SIZES = (60, 400, 4_000, 100_000)
REFRESH_AGENTS = 4_000
MILLION = 1_000_000

_CACHE_VARIABLE = "AGENTMATCH_CACHE_DIR"
_PLAIN = Path(__file__).with_name("baselines") / "plain.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks speed`."""
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--output", type=Path, default=RESULTS / "speed.json")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of agents")
    parser.add_argument("--vectors", type=int, default=MILLION, help="vectors of 'million'")
    parser.add_argument(
        "--real-vectors",
        type=Path,
        metavar="NPY",
        help="real vectors that 'million' draws from; default: the built-in agents' passages",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    unknown = sorted(set(arguments.sections) - set(SECTIONS))
    if unknown:
        say(f"there is no section {unknown[0]!r}; choose from {', '.join(SECTIONS)}")
        return 2
    result: dict[str, Any] = {}
    if arguments.output.exists():
        result = json.loads(arguments.output.read_text(encoding="utf-8"))
    for name in arguments.sections or SECTIONS:
        say(f"section {name}")
        result[name] = SECTIONS[name](arguments, result)
        result["machine"], result["versions"] = machine(), versions()
        write_result(arguments.output, result)
    if "scale" in result:
        plot(result["scale"], arguments.output.with_suffix(".png"))
    return 0


def cold(_: argparse.Namespace, __: dict[str, Any]) -> dict[str, Any]:
    """Time one request from the start of a process to its end, in turns with a rival."""
    with tempfile.TemporaryDirectory() as place:
        folder = _cold_catalogue(Path(place) / "agents")
        cache = Path(place) / "cache"
        environment = {**os.environ, _CACHE_VARIABLE: str(cache), "AGENTMATCH_AGENTS": str(folder)}
        # Without compiled modules every start would compile ours.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        match = [sys.executable, "-m", "agentmatch", "match", REQUEST, "--json"]
        plain = [sys.executable, str(_PLAIN), str(folder), str(Path(place) / "plain.faiss")]
        plain += [str(find_model(DEFAULT_MODEL)), REQUEST]
        first = {"agentmatch": _seconds(match, environment), "plain": _seconds(plain, environment)}
        # Hashes of files that have just been written are not kept; these settle meanwhile.
        time.sleep(2.5)
        _seconds(match, environment)
        commands = {
            "bare": [sys.executable, "-c", "pass"],
            "import numpy": [sys.executable, "-c", "import numpy"],
            "agentmatch": match,
            "plain": plain,
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(REPEATS):
            for name, command in commands.items():
                # The rival takes seconds; its ratio needs no more precision than 3 give.
                if name != "plain" or number < 3:
                    times[name].append(_seconds(command, environment))
    medians = {name: float(np.median(values)) for name, values in times.items()}
    return {
        "catalogue": f"{COLD_AGENTS} agents of the built-in ones, {COLD_LINES} lines each",
        "first_run_s": {name: round(value, 2) for name, value in first.items()},
        "warm_ms": {name: round(1000 * value, 1) for name, value in medians.items()},
        "times_bare": {name: round(value / medians["bare"], 1) for name, value in medians.items()},
    }


def _cold_catalogue(folder: Path) -> Path:
    folder.mkdir()
    for agent in load_catalogue("builtin").agents[:COLD_AGENTS]:
        lines = [*agent.when_to_use, *agent.example_tasks, *agent.capabilities][:COLD_LINES]
        (folder / f"{agent.name}.md").write_text(
            f"---\nname: {agent.name}\ndescription: {json.dumps(agent.description)}\n---\n\n"
            "## Capabilities\n" + "".join(f"- {line}\n" for line in lines),
            encoding="utf-8",
        )
        os.utime(folder / f"{agent.name}.md", ns=(scale.OLD, scale.OLD))
    return folder


def _seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return time.perf_counter() - start


class _TimedEncoder(scale.WordVectors):
    """Encode requests with the real model, passages at no cost, and take the time."""

    name = "timed"
    fingerprint = "timed-1"

    def __init__(self) -> None:
        super().__init__()
        self._encoder = load_encoder(runtime="onnxruntime")
        self.seconds = 0.0

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        start = time.perf_counter()
        vectors = self._encoder.encode_queries(texts)
        self.seconds = time.perf_counter() - start
        return vectors


def latency(_: argparse.Namespace, __: dict[str, Any]) -> dict[str, Any]:
    """Split the time of a warm `match` into its parts; passages have fake vectors."""
    requests = [task for agent in load_catalogue("builtin") for task in agent.example_tasks]
    requests = requests[:: max(1, len(requests) // LATENCY_REQUESTS)][:LATENCY_REQUESTS]
    tokenizer = BertEncoder()._model.tokenizer
    result = {}
    for count in LATENCY_AGENTS:
        encoder = _TimedEncoder()
        matcher = AgentMatcher(map(_agent, scale.synthetic_agents(count)), encoder=encoder)
        index = matcher.index
        parts: dict[str, list[float]] = {
            name: [] for name in ("tokenise", "encode", "search", "rank", "match")
        }
        for request in requests:
            matcher.match(request)
        for request in requests:
            tokenise = _timed(tokenizer.encode, [request])
            start = time.perf_counter()
            matcher.match(request)
            whole = time.perf_counter() - start
            encode = encoder.seconds
            vector = matcher.encode([request])
            search = _timed(index.dense.similarities, vector)
            search += _timed(index.lexical_whole_text.scores, [request])
            for name, value in (
                ("tokenise", tokenise),
                ("encode", encode - tokenise),
                ("search", search),
                ("rank", max(0.0, whole - encode - search)),
                ("match", whole),
            ):
                parts[name].append(value)
        encoding = np.add(parts["tokenise"], parts["encode"])
        result[str(count)] = {
            "passages": len(index.passages),
            "match_over_encoder": round(float(np.median(parts["match"] / encoding)), 2),
            "ms": {
                name: {
                    "p50": round(1000 * float(np.percentile(values, 50)), 3),
                    "p95": round(1000 * float(np.percentile(values, 95)), 3),
                }
                for name, values in parts.items()
            },
        }
    return result


def _agent(record: dict[str, Any]) -> Agent:
    return Agent(
        record["id"],
        description=record["description"],
        when_to_use=tuple(record["when_to_use"]),
        capabilities=tuple(record["capabilities"]),
    )


def _timed(work: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def throughput(_: argparse.Namespace, __: dict[str, Any]) -> dict[str, Any]:
    """Count the passages that are encoded in a second while an index is built."""
    matcher = AgentMatcher.from_directory("builtin")
    passages = matcher.index.passages
    chosen = np.linspace(0, len(passages) - 1, THROUGHPUT_TEXTS).astype(int)
    texts = [passages[row].text for row in chosen.tolist()]
    result = {}
    for runtime in ("onnxruntime", "sentence-transformers"):
        encoder = load_encoder(runtime=runtime)
        encoder.encode_documents(texts[:64])
        times = [_timed(encoder.encode_documents, texts) for _ in range(3)]
        result[runtime] = round(len(texts) / float(np.median(times)), 1)
    return {"texts": len(texts), "texts_per_second": result}


def sizes(arguments: argparse.Namespace, _: dict[str, Any]) -> list[dict[str, Any]]:
    """Measure catalogues of several sizes."""
    return [scale.measure_size(count) for count in arguments.sizes]


def refresh(_: argparse.Namespace, result: dict[str, Any]) -> dict[str, Any]:
    """Measure what one edited file costs."""
    rates = result.get("throughput", {}).get("texts_per_second", {})
    return scale.measure_refresh(REFRESH_AGENTS, rates.get("onnxruntime"))


def search(arguments: argparse.Namespace, _: dict[str, Any]) -> dict[str, Any]:
    """Measure approximate search."""
    if arguments.real_vectors is None:
        real = np.unique(AgentMatcher.from_directory("builtin").index.dense.vectors, axis=0)
    else:
        real = np.load(arguments.real_vectors)
    return million.measure(real, arguments.vectors, rival=True)


SECTIONS: dict[str, Callable[[argparse.Namespace, dict[str, Any]], Any]] = {
    "cold": cold,
    "latency": latency,
    "throughput": throughput,
    "scale": sizes,
    "refresh": refresh,
    "million": search,
    # Requests a second of the server belong here, as "server".
}
"""Each section of the result and what measures it."""


def plot(measured: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw cost against the number of agents."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    agents = [entry["agents"] for entry in measured]
    curves = {
        "load (ms)": "load_ms",
        "match without encoding, p50 (ms)": "match_p50_ms",
        "match without encoding, p95 (ms)": "match_p95_ms",
        "private memory (MB)": "private_memory_mb",
        "index on disk (MB)": "index_mb",
    }
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for label, key in curves.items():
        axes.plot(agents, [entry[key] for entry in measured], marker="o", label=label)
    for entry in measured:
        if entry["search"] != "exact":
            axes.axvline(entry["agents"], color="0.8", zorder=0)
            axes.text(entry["agents"], axes.get_ylim()[0], " approximate", rotation=90, color="0.5")
    axes.set(xscale="log", yscale="log", xlabel="agents, 8 passages each")
    axes.set_title("Cost against the size of the catalogue")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)
    pyplot.close(figure)
