"""Keep web pages from talking to a server that is meant for this machine's programs."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class LocalOnly:
    """Refuse HTTP requests that name another host than this machine, or come from its pages.

    A page whose own name is made to resolve to 127.0.0.1 (DNS rebinding) sends that name
    as Host, and a page of another site sends its address as Origin.

    Args:
        app: The application to protect.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is local."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            problem = ""
            if not is_local(_hostname(f"//{host}")):
                problem = f"the host {host!r} is not this machine's"
            elif origin is not None and not is_local(_hostname(origin)):
                problem = f"pages of {origin!r} may not ask"
            if problem:
                await JSONResponse({"error": problem}, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_local(host: str) -> bool:
    """Tell whether a host name or address is the loopback interface.

    Example:
        >>> is_local("localhost"), is_local("127.0.0.1"), is_local("example.org")
        (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
