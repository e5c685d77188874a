"""Start `agentmatch serve` as a process of its own, and ask it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from types import TracebackType
from typing import Any

COMMAND = (sys.executable, "-m", "agentmatch")
"""How the command line is run unless told otherwise."""

START_TIMEOUT = 120.0
"""Seconds that a server has to start, its index included."""

STOP_TIMEOUT = 60.0
"""Seconds that it has to end."""

_ADDRESS = re.compile(r"http://[^\s:]+:(\d+)")


class ServerProcess:
    """Run a server on a free port of this machine, from construction on.

    Args:
        arguments: Arguments of `agentmatch serve`.
        command: How the command line is run.
        environment: Variables set for it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        command: Sequence[str] = COMMAND,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.notices: list[str] = []
        self.process = subprocess.Popen(
            [*command, "serve", "--port", "0", *arguments],
            env={**os.environ, **(environment or {})},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._ready = threading.Event()
        self._port: int | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(START_TIMEOUT) or self._port is None:
            self.kill()
            raise RuntimeError("the server did not start: " + "".join(self.notices))

    @property
    def port(self) -> int:
        """Return the port it listens at."""
        assert self._port is not None
        return self._port

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> HTTPConnection:
        """Return a connection to it, not opened yet."""
        return HTTPConnection("127.0.0.1", self.port, timeout=STOP_TIMEOUT)

    def get(self, path: str) -> Any:
        """Return what it answers to GET, as JSON values."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def ask(self, document: Any) -> tuple[int, Any]:
        """Ask over a connection of its own, as `ask` does."""
        connection = self.connect()
        try:
            return ask(connection, document)
        finally:
            connection.close()

    def terminate(self) -> int:
        """Ask it to end by SIGTERM and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def kill(self) -> int:
        """Kill it, if it still runs, and return its exit status."""
        if self.process.poll() is None:
            self.process.kill()
        return self._wait()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def _wait(self) -> int:
        status = self.process.wait(STOP_TIMEOUT)
        self._reader.join()
        if self.process.stderr is not None:
            self.process.stderr.close()
        return status

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.notices.append(line)
            found = _ADDRESS.search(line)
            if found and self._port is None:
                self._port = int(found.group(1))
                self._ready.set()
        # It has ended; whoever waits need not wait on.
        self._ready.set()


def ask(connection: HTTPConnection, document: Any) -> tuple[int, Any]:
    """Send a document to POST /match; return the status and the answer's JSON values."""
    connection.request("POST", "/match", json.dumps(document))
    response = connection.getresponse()
    return response.status, json.loads(response.read())
