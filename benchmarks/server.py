"""Measure the server: throughput, latency, catalogue edits under load, kill and restart.

Clients are threads of this process, each with one connection that it keeps open; they send
one request at a time. All of it runs on one machine, so clients and server share its
processors.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from http.client import HTTPException
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from agentmatch import load_catalogue
from benchmarks.run import RESULTS, machine, versions, write_result
from benchmarks.server_process import COMMAND, ServerProcess, ask

CLIENTS = (1, 2, 4, 8, 16, 32)
"""Clients that ask at a time."""

REQUESTS = 400
"""Requests of all clients together, at each number of clients."""

EDITS = 100
"""Edits of the catalogue under load."""

EDIT_CLIENTS = 4
"""Clients that ask meanwhile."""

EDIT_PAUSE = 0.2
"""Seconds between two edits."""

SETTLING = 30.0
"""Seconds that the server has to take up the last edit."""

PROCESSES = 10
"""Processes started for each way of asking from a shell."""

_EDITED = "benchmark-edits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks server`."""
    parser.add_argument("--requests", type=int, default=REQUESTS, help="at each number of clients")
    parser.add_argument("--edits", type=int, default=EDITS, help="edits under load")
    parser.add_argument("--agents", default="agents", metavar="PATH", help="catalogue to copy")
    parser.add_argument("--output", type=Path, default=RESULTS / "server.json", metavar="FILE")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Path(folder) / "agents"
        shutil.copytree(arguments.agents, catalogue)
        agents = load_catalogue(catalogue)
        texts = [task for agent in agents for task in agent.example_tasks]
        texts = list(islice(cycle(texts), arguments.requests))
        start = partial(ServerProcess, ["--agents", str(catalogue)])
        with start() as server:
            load = measure_load(server, texts)
            processes = measure_processes(server, catalogue)
            edits = measure_edits(server, catalogue, texts, arguments.edits)
            killed = measure_kill(server, start, texts)
    result = {
        "agents": len(agents),
        "requests": len(texts),
        "load": load,
        "processes": processes,
        "edits": edits,
        "kill": killed,
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "versions": versions(),
        "machine": machine(),
    }
    write_result(arguments.output, result)
    print(
        json.dumps(
            {name: result[name] for name in ("load", "processes", "edits", "kill")}, indent=1
        )
    )
    wrong = (
        edits["failed"]
        + killed["different"]
        + sum(level["failed"] + level["different"] for level in load)
    )
    return 1 if wrong or not edits["taken_up"] else 0


def measure_load(server: ServerProcess, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Measure each number of clients; compare all answers with those to one client."""
    expected: list[Any] = []
    levels = []
    for clients in CLIENTS:
        seconds, times, answers = fire(server, texts, clients)
        expected = expected or answers
        failed = sum(answer is None for answer in answers)
        levels.append(
            {
                "clients": clients,
                "requests_per_second": round(len(texts) / seconds, 1),
                "p50_ms": round(1000 * statistics.median(times), 1),
                "p95_ms": round(1000 * statistics.quantiles(times, n=20)[-1], 1),
                "failed": failed,
                "different": sum(
                    answer != other
                    for answer, other in zip(answers, expected, strict=True)
                    if answer is not None
                ),
            }
        )
        print(levels[-1], file=sys.stderr, flush=True)
    return levels


def fire(
    server: ServerProcess, texts: Sequence[str], clients: int
) -> tuple[float, list[float], list[Any]]:
    """Ask all texts, spread over clients.

    Returns:
        The seconds it took, the seconds of each request, and the answers in order, None
        where a request failed.
    """
    times = [0.0] * len(texts)
    answers: list[Any] = [None] * len(texts)

    def client(first: int) -> None:
        connection = server.connect()
        for number in range(first, len(texts), clients):
            before = time.perf_counter()
            try:
                status, answer = ask(connection, {"request": texts[number]})
            except (OSError, HTTPException, ValueError):
                connection.close()
                continue
            finally:
                times[number] = time.perf_counter() - before
            answers[number] = answer if status == 200 else None
        connection.close()

    threads = [threading.Thread(target=client, args=(first,)) for first in range(clients)]
    before = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - before, times, answers


def measure_processes(server: ServerProcess, catalogue: Path) -> dict[str, Any]:
    """Measure commands from start to end, in turn, so that noise meets all of them."""
    request = [*COMMAND, "match", "rotate the TLS certificate", "--json"]
    commands = {
        "bare_python": [sys.executable, "-c", "pass"],
        "match_server": [*request, "--server", server.url],
        "match": [*request, "--agents", str(catalogue)],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(PROCESSES):
        for name, command in commands.items():
            before = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - before)
    return {
        f"{name}_ms": {
            "median": round(1000 * statistics.median(values)),
            "best": round(1000 * min(values)),
        }
        for name, values in times.items()
    }


def measure_edits(
    server: ServerProcess, catalogue: Path, texts: Sequence[str], edits: int
) -> dict[str, Any]:
    """Edit the catalogue while clients ask; count the requests that fail."""
    finished = threading.Event()
    counts = {"answered": 0, "failed": 0}
    lock = threading.Lock()

    def client(first: int) -> None:
        connection = server.connect()
        for text in cycle(texts[first::EDIT_CLIENTS]):
            if finished.is_set():
                break
            try:
                fine = ask(connection, {"request": text})[0] == 200
            except (OSError, HTTPException, ValueError):
                connection.close()
                fine = False
            with lock:
                counts["answered" if fine else "failed"] += 1
        connection.close()

    threads = [threading.Thread(target=client, args=(first,)) for first in range(EDIT_CLIENTS)]
    for thread in threads:
        thread.start()
    for number in range(edits):
        edit(catalogue, number)
        time.sleep(EDIT_PAUSE)
    last = time.perf_counter()
    wanted = f"Handles edit {edits - 1}."
    taken_up = _await(lambda: _description(server) == wanted, SETTLING)
    seconds = time.perf_counter() - last
    finished.set()
    for thread in threads:
        thread.join()
    return {
        "edits": edits,
        "clients": EDIT_CLIENTS,
        **counts,
        "reloads": server.get("/health")["catalogue"]["reloads"],
        "taken_up": taken_up,
        "seconds_until_last_edit_answers": round(seconds, 1),
    }


def edit(catalogue: Path, number: int) -> None:
    """Rewrite one agent's file in place; every third edit also adds or removes another."""
    (catalogue / f"{_EDITED}.md").write_text(
        f"---\nname: {_EDITED}\ndescription: Handles edit {number}.\n---\n", encoding="utf-8"
    )
    if number % 3 == 0:
        other = catalogue / f"{_EDITED}-other.md"
        if other.exists():
            other.unlink()
        else:
            other.write_text(
                f"---\nname: {_EDITED}-other\ndescription: Comes and goes.\n---\n", encoding="utf-8"
            )


def measure_kill(
    server: ServerProcess, start: Callable[[], ServerProcess], texts: Sequence[str]
) -> dict[str, Any]:
    """Kill the server under load, start it again, and compare its answers."""
    _, _, before = fire(server, texts, 1)
    load = threading.Thread(target=fire, args=(server, texts, EDIT_CLIENTS))
    load.start()
    time.sleep(EDIT_PAUSE)
    server.kill()
    load.join()
    began = time.perf_counter()
    with start() as again:
        status, _ = again.ask({"request": texts[0]})
        seconds = time.perf_counter() - began
        _, _, after = fire(again, texts, 1)
        stopped = again.terminate()
    different = sum(
        answer is None or other is None or answer != other
        for answer, other in zip(before, after, strict=True)
    )
    return {
        "status": status,
        "seconds_until_answer": round(seconds, 2),
        "compared": len(before),
        "different": different,
        "exit_status_after_sigterm": stopped,
    }


def _description(server: ServerProcess) -> Any:
    return server.get(f"/agents/{_EDITED}").get("description")


def _await(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
