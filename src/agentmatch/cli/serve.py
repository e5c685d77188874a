"""`agentmatch serve`."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentmatch.cli.options import (
    agents_option,
    index_option,
    model_option,
    notice,
    refuse_with_index,
    report_problems,
    resolve_catalogue,
    show_notices,
    use_one_blas_thread,
)
from agentmatch.errors import OptionalDependencyError, ServerError
from agentmatch.server.limits import HOST, PORT

if TYPE_CHECKING:
    from agentmatch.encoders import Encoder
    from agentmatch.matcher import AgentMatcher

SHUTDOWN_TIMEOUT = 30
"""Seconds that requests under way have to end after SIGTERM or SIGINT."""

CONNECTIONS_WAITING = 512
"""Connections that wait to be accepted."""


@click.command(epilog="Example: agentmatch serve --agents builtin --port 8733")
@agents_option
@model_option
@index_option
@click.option(
    "--host",
    default=HOST,
    show_default=True,
    help="Address to listen at. Whoever reaches it may ask: there is no log-in.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen at; 0 takes a free one.",
)
@click.pass_context
def serve(
    context: click.Context,
    agents: str | None,
    model: str,
    index_path: str | None,
    host: str,
    port: int,
) -> None:
    """Answer requests over HTTP from a warm process, until SIGTERM or Ctrl+C.

    Ask it with 'agentmatch match --server URL', or POST {"request": "..."} to /match;
    /openapi.json describes the rest. Changed agent files are taken up while it runs.
    """
    use_one_blas_thread()
    show_notices()
    try:
        import uvicorn

        from agentmatch.server.app import create_app
        from agentmatch.server.guard import is_local
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("starlette", "uvicorn"):
            raise
        raise OptionalDependencyError("agentmatch serve", "server", missing) from None
    from agentmatch.server.reload import MatcherHolder

    load: Callable[[], AgentMatcher]
    watched: Path | str
    if index_path is not None:
        refuse_with_index(agents, context)
        load, watched = partial(_load_index, index_path), _manifest(index_path)
    else:
        path = resolve_catalogue(agents)
        load, watched = partial(_load_catalogue, path, _encoder(model)), path
    # Bound before the catalogue is indexed, so that a port in use is noticed at once;
    # connections are accepted once it is.
    with _bind(host, port) as listener, MatcherHolder(load, watched) as holder:
        local = is_local(host)
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(holder, local_only=local),
                log_config=None,
                access_log=False,
                ws="none",
                backlog=CONNECTIONS_WAITING,
                timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
            )
        )
        report_problems(holder.matcher.problems, str(watched))
        address = _url(host, listener.getsockname()[1])
        listener.listen(CONNECTIONS_WAITING)
        notice(f"{len(holder.matcher)} agents at {address}")
        if not local:
            notice(f"whoever reaches {host} may ask: there is no log-in")
        # uvicorn ends by raising the signal again, which would end us by it or as
        # "Aborted!"; to be told to stop and to do so is no failure.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        server.run(sockets=[listener])


def _load_catalogue(path: str, encoder: Encoder) -> AgentMatcher:
    from agentmatch.matcher import AgentMatcher

    return AgentMatcher.from_directory(path, encoder=encoder)


def _load_index(path: str) -> AgentMatcher:
    from agentmatch.matcher import AgentMatcher
    from agentmatch.store import read_manifest

    encoder = _encoder(read_manifest(Path(path)).encoder)
    return AgentMatcher.load(path, encoder=encoder)


def _manifest(path: str) -> Path:
    """Return the file whose change means that the index was built again."""
    from agentmatch.store import MANIFEST, read_manifest

    read_manifest(Path(path))
    return Path(path) / MANIFEST


def _encoder(model: str) -> Encoder:
    """Load the runtime that is fastest once it is warm."""
    from agentmatch.encoders import load_encoder
    from agentmatch.errors import UnsupportedModelError

    try:
        return load_encoder(model, runtime="onnxruntime")
    except UnsupportedModelError:
        return load_encoder(model)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            # A restart need not wait for the connections of the former process.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise ServerError(
            _url(host, port),
            f"cannot listen there: {error.strerror or error}; choose another --host or --port",
        ) from error
    return listener


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
