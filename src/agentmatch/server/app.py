"""Answer requests over HTTP (ASGI).

Requests of different clients are computed one by one. Computing together what is waiting
saves a fifth of the processor time from 8 clients on, but then the last digit of a score
would depend on who else is asking.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agentmatch.answers import result_json
from agentmatch.errors import InvalidRequestError, UnknownAgentError
from agentmatch.matcher import AgentMatcher
from agentmatch.records import agent_to_json
from agentmatch.requests import prepare_request
from agentmatch.server.guard import LocalOnly
from agentmatch.server.limits import MAX_BODY_BYTES, MAX_REQUESTS, TOP_K, requests_at_once
from agentmatch.server.openapi import openapi_document
from agentmatch.server.reload import MatcherHolder
from agentmatch.version import __version__

WORKERS = 2
"""Threads that answer. Encoding uses all processors by itself, so more bring no speed; the
second keeps a long request from holding up the short ones."""

BLOCK = 16
"""Requests of one body answered at a time, so that other clients get their turn between."""

Value = TypeVar("Value")


class MatchBody(NamedTuple):
    """Hold what the body of `POST /match` asks.

    Attributes:
        requests: The requests.
        top_k: How many agents to return for each.
        min_confidence: The least confidence of an accepted agent, or None.
        single: Whether one request was asked, not a list.
    """

    requests: list[str]
    top_k: int
    min_confidence: float | None
    single: bool


def create_app(
    holder: MatcherHolder, *, local_only: bool = True, workers: int = WORKERS
) -> Starlette:
    """Make the application.

    Args:
        holder: Holds the matcher; whoever made it starts and stops it.
        local_only: Refuse requests that name another host than this machine.
        workers: Threads that answer.

    Returns:
        An ASGI application.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="match")
    started = time.monotonic()

    async def run(task: Callable[..., Value], *arguments: Any) -> Value:
        return await asyncio.get_running_loop().run_in_executor(pool, task, *arguments)

    async def match(request: Request) -> Response:
        # Cleaning a megabyte of text would hold up every other client here.
        body = await run(parse_match_body, await _read_body(request))
        # One matcher answers the whole body, even if the catalogue changes meanwhile.
        matcher = holder.matcher
        answers: list[dict[str, Any]] = []
        for start in range(0, len(body.requests), BLOCK):
            block = body._replace(requests=body.requests[start : start + BLOCK])
            answers += await run(_answer, matcher, block)
        return JSON(answers[0] if body.single else answers)

    async def list_agents(request: Request) -> Response:
        del request
        return await run(_list_agents, holder.matcher)

    async def show_agent(request: Request) -> Response:
        try:
            agent = holder.matcher.agent(request.path_params["name"])
        except UnknownAgentError as error:
            raise HTTPException(404, error.problem) from None
        return JSON(agent_to_json(agent))

    async def health(request: Request) -> Response:
        del request
        return JSON(_describe(holder, time.monotonic() - started))

    async def openapi(request: Request) -> Response:
        del request
        return JSON(openapi_document())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        yield
        pool.shutdown(cancel_futures=True)

    app = Starlette(
        routes=[
            Route("/match", match, methods=["POST"]),
            Route("/agents", list_agents),
            Route("/agents/{name:path}", show_agent),
            Route("/health", health),
            Route("/openapi.json", openapi),
        ],
        middleware=[Middleware(LocalOnly)] if local_only else [],
        exception_handlers={
            HTTPException: _http_error,
            InvalidRequestError: _invalid_request,
            Exception: _unexpected_error,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


class JSON(Response):
    """A JSON response in the characters of its languages."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the bytes; a lone surrogate, which is no text, stays an escape."""
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


def parse_match_body(data: bytes) -> MatchBody:
    """Read the body of `POST /match`.

    Args:
        data: JSON: {"request": text} or {"requests": [texts]}, perhaps "top_k", "min_confidence".

    Returns:
        What it asks.

    Raises:
        HTTPException: 400 where it is malformed, 413 where it asks too much, 422 where a
            request cannot be answered.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise HTTPException(400, 'the body must be an object such as {"request": "..."}')
    unknown = sorted(body.keys() - {"request", "requests", "top_k", "min_confidence"})
    if unknown:
        raise HTTPException(
            400,
            f"unknown key {unknown[0]!r}; there are request, requests, top_k and min_confidence",
        )
    single = "request" in body
    if single == ("requests" in body):
        raise HTTPException(400, "give either request or requests")
    requests = [body["request"]] if single else body["requests"]
    if not isinstance(requests, list) or not all(isinstance(text, str) for text in requests):
        wanted = "request must be a string" if single else "requests must be a list of strings"
        raise HTTPException(400, wanted)
    top_k = body.get("top_k", TOP_K)
    if not isinstance(top_k, int) or isinstance(top_k, bool):
        raise HTTPException(400, "top_k must be a whole number")
    if top_k < 1:
        raise HTTPException(422, f"top_k must be 1 or more, not {top_k}")
    most = requests_at_once(top_k)
    if len(requests) > most:
        why = "" if most == MAX_REQUESTS else f" with {top_k} agents each"
        raise HTTPException(
            413, f"{len(requests)} requests; one body may hold {most}{why}, send them in parts"
        )
    for number, text in enumerate(requests):
        try:
            prepare_request(text)
        except InvalidRequestError as error:
            place = "" if single else f"requests[{number}]: "
            raise HTTPException(422, f"{place}{error}") from None
    bar = body.get("min_confidence")
    if bar is not None and (isinstance(bar, bool) or not isinstance(bar, (int, float))):
        raise HTTPException(400, "min_confidence must be a number")
    return MatchBody(requests, top_k, bar, single)


async def _read_body(request: Request) -> bytes:
    """Read a body of bounded size, whether or not its length is announced."""
    body = bytearray()
    too_large = HTTPException(
        413,
        f"the body is larger than {MAX_BODY_BYTES} bytes",
        # What is left of it is not read.
        headers={"Connection": "close"},
    )
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise too_large
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    return bytes(body)


def _answer(matcher: AgentMatcher, body: MatchBody) -> list[dict[str, Any]]:
    top_k = min(body.top_k, len(matcher))
    results = matcher.match_many(body.requests, top_k, min_confidence=body.min_confidence)
    return [result_json(result) for result in results]


def _list_agents(matcher: AgentMatcher) -> Response:
    return JSON(
        [
            {
                "name": agent.name,
                "title": agent.title,
                "description": agent.description,
                "path": None if agent.path is None else str(agent.path),
            }
            for agent in matcher.agents
        ]
    )


def _describe(holder: MatcherHolder, uptime: float) -> dict[str, Any]:
    matcher, state = holder.matcher, holder.state
    path = matcher.catalogue_path
    return {
        "status": "ok" if state.error is None else "outdated",
        "version": __version__,
        "agents": len(matcher),
        "encoder": {
            "name": matcher.encoder.name,
            "fingerprint": matcher.encoder.fingerprint,
        },
        "catalogue": {
            "path": None if path is None else str(path),
            "error": state.error,
            "problems": sum(problem.severity == "error" for problem in matcher.problems),
            "reloads": state.reloads,
            "loaded": _timestamp(state.loaded),
        },
        "uptime_seconds": round(uptime, 3),
    }


def _timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = error.detail
    if error.status_code == 404 and message == "Not Found":
        message = f"there is no {request.url.path}; see /openapi.json"
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}; see /openapi.json"
    return JSON({"error": message}, error.status_code, headers=error.headers)


async def _invalid_request(request: Request, error: Exception) -> Response:
    del request
    return JSON({"error": str(error)}, 422)


async def _unexpected_error(request: Request, error: Exception) -> Response:
    # The server's log has the traceback.
    del request, error
    return JSON({"error": "unexpected error; the server's log says more"}, 500)
