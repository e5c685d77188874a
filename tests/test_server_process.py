"""Servers as processes: start, ask, change files, stop, kill; and the client's side."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Outcome

from agentmatch import InvalidRequestError, ServerError
from agentmatch.answers import result_json
from agentmatch.cli import main
from agentmatch.cli.options import SERVER_VARIABLE
from agentmatch.server.client import ServerClient
from agentmatch.server.limits import MAX_BODY_BYTES, MAX_REQUESTS
from agentmatch.types import Result
from benchmarks.server_process import ServerProcess, ask
from conftest import TRADES, HashingEncoder, write_trades

REQUEST = "A tap drips in the kitchen"
EDITS = 20
CLIENTS = 4
PATIENCE = 60.0
SLOW = "slow"
NEEDLESS = (
    "numpy",
    "rich",
    "yaml",
    "markdown_it",
    "faiss",
    "bm25s",
    "onnxruntime",
    "torch",
    "Stemmer",
)
"""What a client must not load: the server has it."""

# Runs the command line with the cheap encoder. Requests that begin with "slow" take a while.
SCRIPT = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import HashingEncoder
import agentmatch.encoders as module

class Encoder(HashingEncoder):
    def encode_queries(self, texts):
        if any(text.startswith({SLOW!r}) for text in texts):
            time.sleep(1)
        return super().encode_queries(texts)

module.load_encoder = lambda model, runtime=None: Encoder(model)
from agentmatch.cli import main
main(sys.argv[1:])
"""
COMMAND = (sys.executable, "-c", SCRIPT)


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    return write_trades(tmp_path / "agents")


def start(*arguments: str | Path) -> ServerProcess:
    return ServerProcess([str(argument) for argument in arguments], command=COMMAND)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for all tests that only ask."""
    folder = tmp_path_factory.mktemp("shared")
    environment = {"AGENTMATCH_CACHE_DIR": str(folder / "cache")}
    arguments = ["--agents", str(write_trades(folder / "agents"))]
    with ServerProcess(arguments, command=COMMAND, environment=environment) as server:
        yield server


def wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def names(server: ServerProcess) -> list[str]:
    return [agent["name"] for agent in server.get("/agents")]


def test_files_change_under_load_without_a_failed_request(agents: Path) -> None:
    finished = threading.Event()
    failures: list[object] = []
    answered = [0] * CLIENTS

    def client(number: int) -> None:
        connection = server.connect()
        while not finished.is_set():
            try:
                status, answer = ask(connection, {"request": REQUEST})
            except (OSError, HTTPException, ValueError) as error:
                failures.append(error)
                return
            if status != 200 or answer["matches"][0]["agent"] != "plumber":
                failures.append((status, answer))
            answered[number] += 1
        connection.close()

    with start("--agents", agents) as server:
        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for edit in range(EDITS):
            text = f"# mason: Mason\n\n## Description\nLays bricks, edition {edit}.\n"
            (agents / "mason.md").write_text(text)
            time.sleep(0.1)
        last = f"Lays bricks, edition {EDITS - 1}."
        taken_up = wait_for(lambda: server.get("/agents/mason").get("description") == last)
        finished.set()
        for thread in threads:
            thread.join()
        assert taken_up
        assert not failures
        assert min(answered) > 0
        assert server.get("/health")["catalogue"]["reloads"] >= 1

        # A catalogue that is gone leaves the former one in place, and says so.
        shutil.rmtree(agents)
        assert wait_for(lambda: server.get("/health")["status"] == "outdated")
        assert str(agents) in server.get("/health")["catalogue"]["error"]
        assert server.ask({"request": REQUEST})[0] == 200
        write_trades(agents, ["baker"])
        assert wait_for(lambda: names(server) == ["baker"])
        assert server.get("/health")["status"] == "ok"
        assert server.terminate() == 0


def test_requests_under_way_are_answered_before_it_ends(agents: Path) -> None:
    with start("--agents", agents) as server:
        answers: list[tuple[int, Any]] = []

        def client() -> None:
            answers.append(server.ask({"request": f"{SLOW} tap", "top_k": 1}))

        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        # Long enough for the requests to arrive, too short for their answers.
        time.sleep(0.5)
        assert not answers
        assert server.terminate() == 0
        for thread in threads:
            thread.join()
        assert [status for status, _ in answers] == [200] * CLIENTS
        with pytest.raises(ConnectionRefusedError):
            server.get("/health")


def test_a_killed_server_starts_again_as_it_was(agents: Path) -> None:
    with start("--agents", agents) as server:
        before = server.ask({"request": REQUEST})
        write_trades(agents, ["roofer"])
        server.kill()
    with start("--agents", agents) as server:
        assert server.ask({"request": REQUEST}) == before
        assert names(server) == sorted(TRADES)


def test_a_saved_index_is_served_and_taken_up_when_built_again(
    agents: Path, tmp_path: Path
) -> None:
    def build() -> None:
        arguments = ["index", str(agents), "-o", str(tmp_path / "index")]
        subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)

    build()
    with start("--index", tmp_path / "index") as server:
        assert names(server) == sorted(TRADES)
        (agents / "roofer.md").unlink()
        build()
        assert wait_for(lambda: names(server) == sorted(set(TRADES) - {"roofer"}))


def run(*arguments: str, status: int = 0) -> Outcome:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == status, (result.output, result.exception)
    return result


def test_the_client_prints_what_the_command_prints(
    shared: ServerProcess, agents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentmatch.encoders.load_encoder", lambda model: HashingEncoder(model))
    write_trades(agents)
    for options in ([], ["-k", "2"]):
        here = run("match", REQUEST, "--agents", str(agents), *options)
        assert run("match", REQUEST, "--server", shared.url, *options).stdout == here.stdout
        asked = json.loads(run("match", REQUEST, "--server", shared.url, "--json", *options).stdout)
        answer = json.loads(
            run("match", REQUEST, "--agents", str(agents), "--json", *options).stdout
        )
        for match in (*asked["matches"], *answer["matches"]):
            match["path"] = Path(match["path"]).name
        assert asked == answer
    long = run("match", "fix the tap " * 500, "--server", shared.url)
    assert "it is read in" in long.stderr
    assert "the request is empty" in run("match", "", "--server", shared.url, status=1).stderr


def test_the_client_answers_lines_of_stdin(shared: ServerProcess) -> None:
    lines = ["tap drips", "", "bake a cake", *["slates slipped"] * (MAX_REQUESTS + 5)]
    done = subprocess.run(
        [sys.executable, "-m", "agentmatch", "match", "-", "--server", shared.url, "-k", "1"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["request"] for answer in answers] == lines
    assert "empty" in answers[1]["error"]
    assert answers[0]["matches"][0]["agent"] == "plumber"
    assert {answer["matches"][0]["agent"] for answer in answers[3:]} == {"roofer"}
    assert done.returncode == 1


def test_the_client_loads_nothing_heavy(shared: ServerProcess) -> None:
    script = (
        "import sys\n"
        "from agentmatch.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        f"print([name for name in {NEEDLESS!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "match", REQUEST, "--json"],
        env={**os.environ, SERVER_VARIABLE: shared.url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["matches"][0]["agent"] == "plumber"
    assert done.stderr == "[]\n"


def test_explicit_options_beat_the_environment(
    shared: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentmatch.encoders.load_encoder", lambda model: HashingEncoder(model))
    few = write_trades(tmp_path / "few", ["baker"])
    monkeypatch.setenv(SERVER_VARIABLE, shared.url)
    here = json.loads(run("match", REQUEST, "--agents", str(few), "--json").stdout)
    assert [match["agent"] for match in here["matches"]] == ["baker"]
    assert len(json.loads(run("match", REQUEST, "--json").stdout)["matches"]) == 5


@pytest.mark.parametrize("option", ["--agents", "--model", "--index"])
def test_what_the_server_decides_cannot_be_asked_for(option: str) -> None:
    failed = run("match", "x", "--server", "http://127.0.0.1:1", option, "y", status=2)
    assert f"leave out {option}" in failed.stderr


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"http://127.0.0.1:{free_port()}", "nothing listens there; start it: agentmatch serve"),
        ("127.0.0.1:8733", "no valid address"),
        ("ftp://127.0.0.1", "no valid address"),
        ("http://", "no valid address"),
        ("http://127.0.0.1:port", "no valid address"),
        ("http://[::1", "no valid address"),
        ("http://name.invalid:8733", "cannot be asked"),
    ],
)
def test_a_server_that_is_not_there_is_one_clear_line(url: str, message: str) -> None:
    failed = run("match", "x", "--server", url, status=1)
    assert message in failed.stderr
    assert len(failed.stderr.splitlines()) == 1


class OtherServer(BaseHTTPRequestHandler):
    """Answer every POST with what the class says."""

    protocol_version = "HTTP/1.1"
    status = 200
    body = b"<html>"
    silently_close = False
    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)
        self.close_connection = self.silently_close

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[tuple[type[OtherServer], str]]:
    handler = type("Handler", (OtherServer,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (200, b"<html>", ServerError, "not as 'agentmatch serve' does"),
        (404, b"<html>", ServerError, "status 404"),
        (200, b"[]", ServerError, "not as 'agentmatch serve' does"),
        (200, b'{"request": "x", "matches": [{}], "warnings": []}', ServerError, "not as"),
        (404, b'{"detail": 1}', ServerError, "status 404"),
        (500, b'{"error": "broken"}', ServerError, "status 500: broken"),
        (403, b'{"error": "not local"}', ServerError, "status 403: not local"),
        (422, b'{"error": "empty"}', InvalidRequestError, "^empty$"),
        (413, b'{"error": "too large"}', InvalidRequestError, "^too large$"),
    ],
)
def test_other_answers_are_errors(
    other: tuple[type[OtherServer], str],
    status: int,
    body: bytes,
    error: type[Exception],
    message: str,
) -> None:
    handler, url = other
    handler.status, handler.body = status, body
    client = ServerClient(url)
    with pytest.raises(error, match=message):
        client.match("x")
    client.close()


def test_a_connection_that_the_server_closed_is_opened_again(
    other: tuple[type[OtherServer], str],
) -> None:
    handler, url = other
    handler.body = json.dumps(result_json(Result("x", ()))).encode()
    handler.silently_close = True
    client = ServerClient(url)
    for count in (1, 2, 3):
        assert client.match("x").request == "x"
        assert handler.asked == count
        time.sleep(0.05)
    client.close()


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = ServerClient(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.1)
        with pytest.raises(ServerError, match=r"no answer within 0\.1 seconds"):
            client.match("x")
        client.close()


def test_lists_are_sent_in_parts_that_the_server_takes(shared: ServerProcess) -> None:
    client = ServerClient(shared.url)
    # Three texts of which no two fit into one body.
    texts = [f"{trade} " + "é\\ " * (MAX_BODY_BYTES // 8) for trade in ("tap", "cake", "roof")]
    assert [result.request for result in client.match_many(texts, 1)] == texts
    with pytest.raises(InvalidRequestError, match="too long for a server"):
        client.match("x" * MAX_BODY_BYTES)
    with pytest.raises(InvalidRequestError, match="1 or more"):
        client.match("x", top_k=0)
    assert client.match("tap\ud800").request == "tap\ud800"
    client.close()


def test_a_port_in_use_is_one_clear_line(agents: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        failed = run("serve", "--agents", str(agents), "--port", str(port), status=1)
    assert f"http://127.0.0.1:{port}: cannot listen there" in failed.stderr


def test_other_interfaces_are_opened_with_a_notice(agents: Path) -> None:
    with start("--agents", agents, "--host", "0.0.0.0") as server:
        connection = server.connect()
        connection.request("GET", "/health", headers={"Host": "name.example"})
        assert connection.getresponse().status == 200
        connection.close()
        assert server.terminate() == 0
        assert any("there is no log-in" in line for line in server.notices)
    with start("--agents", agents) as server:
        connection = server.connect()
        connection.request("GET", "/health", headers={"Host": "name.example"})
        assert connection.getresponse().status == 403
        connection.close()
        server.terminate()
        assert not any("there is no log-in" in line for line in server.notices)


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_the_missing_extra_is_named(package: str, agents: Path) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from agentmatch.cli import main\n"
        "main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "--agents", str(agents)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "python -m pip install 'agentmatch[server]'" in done.stderr
    assert f"{package!r}, which is not installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_refuses_contradicting_options(agents: Path) -> None:
    failed = run("serve", "--index", "x", "--agents", str(agents), status=2)
    assert "--index brings its own" in failed.stderr
    assert "no such file or folder" in run("serve", "--agents", "nowhere", status=1).stderr
    assert "agentmatch index" in run("serve", "--index", "nowhere", status=1).stderr
