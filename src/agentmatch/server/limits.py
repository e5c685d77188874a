"""What server and client agree on: where to listen, and how much one request may ask."""

from __future__ import annotations

HOST = "127.0.0.1"
"""Where the server listens: this machine alone, because nobody has to log in."""

PORT = 8733
"""The server's port unless told otherwise."""

TOP_K = 5
"""Agents returned where a request does not say how many."""

MAX_BODY_BYTES = 1 << 20
"""Bytes of one HTTP request's body."""

MAX_REQUESTS = 256
"""Requests in one body; they take about two seconds."""

MAX_MATCHES = 10_000
"""Agents returned for all requests of one body, some 10 MB. One request may ask for all."""


def requests_at_once(top_k: int) -> int:
    """Return how many requests one body may hold when each asks for `top_k` agents."""
    return max(1, min(MAX_REQUESTS, MAX_MATCHES // max(top_k, 1)))
