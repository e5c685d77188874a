"""Ask a server. Loads nothing heavy: the standard library does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from agentmatch.answers import result_from_json
from agentmatch.errors import InvalidRequestError, ServerError
from agentmatch.server.limits import MAX_BODY_BYTES, TOP_K, requests_at_once
from agentmatch.types import Result

TIMEOUT = 60.0
"""Seconds to wait for an answer."""

_BODY_OVERHEAD = 256
_ITEM_OVERHEAD = 4


class ServerClient:
    """Ask one server, over one connection that is kept open.

    Not for several threads at a time.

    Args:
        url: The server's address, such as "http://127.0.0.1:8733".
        timeout: Seconds to wait for an answer.

    Raises:
        ServerError: It is no such address.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._url = url
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ServerError(url, f"no valid address ({error})") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ServerError(url, "no valid address; give one such as http://127.0.0.1:8733")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(host, port, timeout=timeout)
        self._path = f"{parts.path.rstrip('/')}/match"

    def match(
        self, request: str, top_k: int = TOP_K, *, min_confidence: float | None = None
    ) -> Result:
        """Rank the agents for one request, as `AgentMatcher.match` does.

        Args:
            request: Free text.
            top_k: How many agents to return; all where there are fewer.
            min_confidence: As `AgentMatcher.match` takes it.

        Returns:
            The best agents; of each only name, title and path are known.

        Raises:
            InvalidRequestError: The server cannot answer this request.
            ServerError: There is no server, or it failed.
        """
        return self.match_many([request], top_k, min_confidence=min_confidence)[0]

    def match_many(
        self,
        requests: Sequence[str],
        top_k: int = TOP_K,
        *,
        min_confidence: float | None = None,
    ) -> list[Result]:
        """Rank the agents for many requests, as many at a time as the server takes.

        Args:
            requests: Free texts.
            top_k: How many agents to return for each.
            min_confidence: As `AgentMatcher.match` takes it.

        Returns:
            One result a request, in order.

        Raises:
            InvalidRequestError: The server cannot answer one of the requests.
            ServerError: There is no server, or it failed.
        """
        results: list[Result] = []
        options: dict[str, Any] = {"top_k": top_k}
        if min_confidence is not None:
            options["min_confidence"] = min_confidence
        for part in _parts(requests, requests_at_once(top_k)):
            if len(part) == 1:
                answers = [self._post({"request": part[0], **options})]
            else:
                answers = self._post({"requests": part, **options})
            try:
                found = [result_from_json(answer) for answer in answers]
            except (KeyError, TypeError):
                raise self._not_ours() from None
            if len(found) != len(part):
                raise self._not_ours()
            results += found
        return results

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _post(self, document: dict[str, Any]) -> Any:
        body = _encode(document)
        if len(body) > MAX_BODY_BYTES:
            raise InvalidRequestError(
                f"the request is too long for a server ({len(body):,} of at most "
                f"{MAX_BODY_BYTES:,} bytes)"
            )
        response, data = self._exchange(body)
        try:
            answer = json.loads(data)
        except ValueError:
            raise self._not_ours(response.status) from None
        if response.status == 200:
            return answer
        problem = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(problem, str):
            raise self._not_ours(response.status)
        if response.status in (413, 422):
            raise InvalidRequestError(problem)
        raise ServerError(self._url, f"status {response.status}: {problem}")

    def _exchange(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        kept_open = self._connection.sock is not None
        try:
            return self._send(body)
        except (ConnectionError, HTTPException) as error:
            self._connection.close()
            # A server closes connections that were idle for a while.
            if not kept_open:
                raise self._unreachable(error) from error
        except OSError as error:
            self._connection.close()
            raise self._unreachable(error) from error
        try:
            return self._send(body)
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise self._unreachable(error) from error

    def _send(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        return response, response.read()

    def _unreachable(self, error: Exception) -> ServerError:
        if isinstance(error, ConnectionRefusedError):
            return ServerError(self._url, "nothing listens there; start it: agentmatch serve")
        if isinstance(error, TimeoutError):
            return ServerError(self._url, f"no answer within {self._connection.timeout:g} seconds")
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ServerError(self._url, f"cannot be asked: {reason}")

    def _not_ours(self, status: int = 200) -> ServerError:
        return ServerError(
            self._url, f"answers (status {status}), but not as 'agentmatch serve' does"
        )


def _parts(requests: Sequence[str], most: int) -> Iterator[list[str]]:
    """Cut a list into parts that the server takes, by number and by bytes."""
    part: list[str] = []
    size = _BODY_OVERHEAD
    for request in requests:
        added = len(_encode(request)) + _ITEM_OVERHEAD
        if part and (len(part) == most or size + added > MAX_BODY_BYTES):
            yield part
            part, size = [], _BODY_OVERHEAD
        part.append(request)
        size += added
    if part:
        yield part


def _encode(document: Any) -> bytes:
    # A lone surrogate, which is no text, stays an escape.
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
