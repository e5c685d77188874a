"""The HTTP interface: answers, errors, limits, who may ask, and its description."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from agentmatch import Agent, AgentMatcher
from agentmatch.answers import result_from_json, result_json
from agentmatch.records import agent_to_json
from agentmatch.server.app import create_app
from agentmatch.server.limits import (
    MAX_BODY_BYTES,
    MAX_MATCHES,
    MAX_REQUESTS,
    TOP_K,
    requests_at_once,
)
from agentmatch.server.openapi import openapi_document
from agentmatch.server.reload import MatcherHolder
from agentmatch.types import Result
from agentmatch.version import __version__
from conftest import TRADES, HashingEncoder, write_trades

REQUEST = "A tap drips in the kitchen"
LOCAL = "http://127.0.0.1:8733"


@pytest.fixture
def matcher(tmp_path: Path) -> AgentMatcher:
    return AgentMatcher.from_directory(write_trades(tmp_path / "agents"), encoder=HashingEncoder())


@pytest.fixture
def app(matcher: AgentMatcher) -> Starlette:
    return create_app(MatcherHolder(lambda: matcher))


def ask(app: Starlette, method: str, path: str, **options: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        # As a server does, it answers unexpected errors instead of raising them.
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def post(app: Starlette, body: Any) -> httpx.Response:
    return ask(app, "POST", "/match", json=body)


def test_one_request_is_answered_as_match_json_does(app: Starlette, matcher: AgentMatcher) -> None:
    response = post(app, {"request": REQUEST, "top_k": 2})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == result_json(matcher.match(REQUEST, 2))
    assert response.json()["matches"][0]["agent"] == "plumber"


def test_a_list_is_answered_by_a_list_in_order(app: Starlette, matcher: AgentMatcher) -> None:
    texts = [f"{REQUEST} {number}" for number in range(40)]
    response = post(app, {"requests": texts})
    answers = response.json()
    assert [answer["request"] for answer in answers] == texts
    for text, answer in zip(texts, answers, strict=True):
        expected = matcher.match(text, TOP_K)
        assert [match["agent"] for match in answer["matches"]] == [
            match.agent.name for match in expected
        ]
        # Computed together, the last of six digits may differ.
        assert [match["score"] for match in answer["matches"]] == pytest.approx(
            [match.score for match in expected], abs=2e-6
        )
    assert post(app, {"requests": []}).json() == []
    assert post(app, {"requests": [REQUEST]}).json() == [result_json(matcher.match(REQUEST))]


def test_more_agents_than_there_are_means_all(app: Starlette) -> None:
    for top_k in (6, 10**6, 10**30):
        assert len(post(app, {"request": REQUEST, "top_k": top_k}).json()["matches"]) == 5


def test_long_requests_bring_their_warning(app: Starlette) -> None:
    assert "it is read in" in post(app, {"request": "fix the tap " * 500}).json()["warnings"][0]


def test_text_of_all_kinds_comes_back_as_it_was(app: Starlette) -> None:
    for text in ("修复 tap 🙂", "tap\ud800", 'tap \u0000 " \\ </script>'):
        response = ask(app, "POST", "/match", content=json.dumps({"request": text}).encode())
        assert response.status_code == 200
        assert response.json()["request"] == text


def test_answers_survive_the_way_through_json(matcher: AgentMatcher) -> None:
    result = matcher.match("fix the tap " * 500)
    document = result_json(result)
    assert result_json(result_from_json(document)) == document


def test_agents(app: Starlette, matcher: AgentMatcher) -> None:
    rows = ask(app, "GET", "/agents").json()
    assert [row["name"] for row in rows] == sorted(TRADES)
    assert rows[0]["description"] == TRADES["baker"][0]
    baker = ask(app, "GET", "/agents/baker").json()
    assert baker == agent_to_json(matcher.agent("baker"))
    missing = ask(app, "GET", "/agents/bakr")
    assert missing.status_code == 404
    assert "did you mean baker" in missing.json()["error"]


def test_agents_of_any_name_are_found() -> None:
    names = ["group/agent", "with space", "名前", "a%2Fb", "q?x#y"]
    agents = [Agent(name, description=f"Does {name}.") for name in names]
    app = create_app(MatcherHolder(lambda: AgentMatcher(agents, encoder=HashingEncoder())))
    for name in names:
        path = "/agents/" + "".join(f"%{byte:02X}" for byte in name.encode())
        assert ask(app, "GET", path).json()["name"] == name


def test_health(app: Starlette, matcher: AgentMatcher) -> None:
    health = ask(app, "GET", "/health").json()
    assert health["status"] == "ok"
    assert health["version"] == __version__
    assert health["agents"] == len(TRADES)
    assert health["encoder"] == {"name": "hashing", "fingerprint": matcher.encoder.fingerprint}
    assert health["catalogue"]["path"] == str(matcher.catalogue_path)
    assert health["catalogue"]["error"] is None
    assert health["uptime_seconds"] >= 0


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"\xff", 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        (b'{"request": "x", "top_k": ' + b"9" * 5000 + b"}", 400, "no JSON"),
        (b"[]", 400, "must be an object"),
        (b'"x"', 400, "must be an object"),
        (b"{}", 400, "either request or requests"),
        (b'{"request": "x", "requests": ["x"]}', 400, "either request or requests"),
        (b'{"request": "x", "topk": 1}', 400, "unknown key 'topk'"),
        (b'{"request": 1}', 400, "request must be a string"),
        (b'{"request": null}', 400, "request must be a string"),
        (b'{"requests": "x"}', 400, "list of strings"),
        (b'{"requests": ["x", 1]}', 400, "list of strings"),
        (b'{"request": "x", "top_k": "1"}', 400, "whole number"),
        (b'{"request": "x", "top_k": true}', 400, "whole number"),
        (b'{"request": "x", "top_k": 1.0}', 400, "whole number"),
        (b'{"request": "x", "top_k": null}', 400, "whole number"),
        (b'{"request": "x", "top_k": 0}', 422, "1 or more"),
        (b'{"request": " \\n"}', 422, "the request is empty"),
        (b'{"requests": ["x", ""]}', 422, "requests[1]: the request is empty"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    app: Starlette, body: bytes, status: int, message: str
) -> None:
    response = ask(app, "POST", "/match", content=body)
    assert response.status_code == status
    assert message in response.json()["error"]
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/", 404, "there is no /"),
        ("GET", "/match/", 404, "there is no /match/"),
        ("GET", "/match", 405, "does not take GET"),
        ("DELETE", "/agents/baker", 405, "does not take DELETE"),
        ("GET", "/agents/nobody", 404, "no agent is named 'nobody'"),
    ],
)
def test_wrong_paths_and_methods(
    app: Starlette, method: str, path: str, status: int, message: str
) -> None:
    response = ask(app, method, path)
    assert response.status_code == status
    assert message in response.json()["error"]
    assert ("allow" in response.headers) == (status == 405)


async def in_chunks(data: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def body_of(size: int) -> bytes:
    """Return a valid body of a number of bytes, most of them blanks."""
    body = json.dumps({"request": REQUEST, "top_k": 1}).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_are_bounded(app: Starlette, chunked: bool) -> None:
    for size, status in ((MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)):
        body = body_of(size)
        response = ask(app, "POST", "/match", content=in_chunks(body) if chunked else body)
        assert response.status_code == status
    assert str(MAX_BODY_BYTES) in response.json()["error"]
    assert response.headers["connection"] == "close"


def test_endless_bodies_are_not_read_to_the_end(app: Starlette) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 16
            yield b" " * (1 << 16)

    assert ask(app, "POST", "/match", content=endless()).status_code == 413
    assert sent <= MAX_BODY_BYTES + (2 << 16)


def test_the_number_of_requests_is_bounded(app: Starlette) -> None:
    assert post(app, {"requests": ["x"] * MAX_REQUESTS, "top_k": 1}).status_code == 200
    refused = post(app, {"requests": ["x"] * (MAX_REQUESTS + 1), "top_k": 1})
    assert refused.status_code == 413
    assert f"one body may hold {MAX_REQUESTS}," in refused.json()["error"]
    top_k = MAX_MATCHES // 2
    assert post(app, {"requests": ["x"] * 2, "top_k": top_k}).status_code == 200
    assert post(app, {"requests": ["x"] * 3, "top_k": top_k}).status_code == 413
    assert requests_at_once(MAX_MATCHES + 1) == 1


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({"host": "localhost:8733"}, True),
        ({"host": "LOCALHOST"}, True),
        ({"host": "[::1]:8733"}, True),
        ({"host": "127.1.2.3"}, True),
        ({"host": "attacker.example"}, False),
        ({"host": "127.0.0.1.attacker.example"}, False),
        ({"host": "attacker.example:127"}, False),
        ({"host": "192.168.0.7:8733"}, False),
        ({"host": "[::1"}, False),
        ({"host": ""}, False),
        ({"origin": "http://localhost:3000"}, True),
        ({"origin": "https://attacker.example"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_only_this_machine_may_ask(
    app: Starlette, matcher: AgentMatcher, headers: dict[str, str], fine: bool
) -> None:
    response = ask(app, "GET", "/agents", headers=headers)
    assert response.status_code == (200 if fine else 403)
    assert fine or list(response.json()) == ["error"]
    everyone = create_app(MatcherHolder(lambda: matcher), local_only=False)
    assert ask(everyone, "GET", "/agents", headers=headers).status_code == 200


def test_unexpected_errors_tell_nothing_about_the_inside(
    app: Starlette, matcher: AgentMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> list[Result]:
        raise RuntimeError("secret")

    monkeypatch.setattr(matcher, "match_many", fail)
    response = post(app, {"request": REQUEST})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert list(response.json()) == ["error"]


def test_many_clients_get_the_answers_of_one(app: Starlette, matcher: AgentMatcher) -> None:
    texts = [f"{name} please: {TRADES[name][2]} {number}" for name in TRADES for number in range(8)]
    expected = [result_json(matcher.match(text)) for text in texts]

    async def send_all() -> Sequence[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
            return await asyncio.gather(
                *(client.post("/match", json={"request": text}) for text in texts)
            )

    assert [response.json() for response in asyncio.run(send_all())] == expected


def test_matching_is_safe_in_threads(matcher: AgentMatcher) -> None:
    texts = [f"tap roof cake fuse hedge {number}" for number in range(200)]
    expected = [matcher.match(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(matcher.match, texts)) == expected


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_description_names_every_path_and_method(app: Starlette) -> None:
    document = ask(app, "GET", "/openapi.json").json()
    assert document == openapi_document()
    assert document["openapi"] == "3.1.0"
    described = {
        (path, method.upper()) for path, methods in document["paths"].items() for method in methods
    }
    served = {
        (re.sub(r":\w+}", "}", route.path), method)
        for route in app.routes
        for method in route.methods - {"HEAD"}
    }
    assert described == served
    operations = [entry for methods in document["paths"].values() for entry in methods.values()]
    assert len({entry["operationId"] for entry in operations}) == len(operations)
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


TYPES = {
    "boolean": bool,
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def conforms(value: Any, schema: dict[str, Any]) -> bool:
    """Check a value against the keywords of JSON Schema that the description uses."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return conforms(value, openapi_document()["components"]["schemas"][name])
    if "oneOf" in schema:
        return sum(conforms(value, option) for option in schema["oneOf"]) == 1
    if "enum" in schema:
        return value in schema["enum"]
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, TYPES[name]) for name in names):
        return False
    if isinstance(value, dict) and "properties" in schema:
        return set(schema["required"]) <= value.keys() <= schema["properties"].keys() and all(
            conforms(value[key], schema["properties"][key]) for key in value
        )
    if isinstance(value, list):
        return len(value) <= schema.get("maxItems", len(value)) and all(
            conforms(item, schema["items"]) for item in value
        )
    if isinstance(value, int | float):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return not isinstance(value, str) or len(value) >= schema.get("minLength", 0)


@pytest.mark.parametrize(
    ("method", "path", "described", "body"),
    [
        ("POST", "/match", "/match", {"request": REQUEST}),
        ("POST", "/match", "/match", {"requests": [REQUEST], "top_k": 2}),
        ("POST", "/match", "/match", {"request": ""}),
        ("POST", "/match", "/match", {"requests": ["x"] * (MAX_REQUESTS + 1)}),
        ("POST", "/match", "/match", {"text": "x"}),
        ("GET", "/agents", "/agents", None),
        ("GET", "/agents/baker", "/agents/{name}", None),
        ("GET", "/agents/nobody", "/agents/{name}", None),
        ("GET", "/health", "/health", None),
    ],
)
def test_answers_are_as_described(
    app: Starlette, method: str, path: str, described: str, body: Any
) -> None:
    response = ask(app, method, path, **({} if body is None else {"json": body}))
    operation = openapi_document()["paths"][described][method.lower()]
    answer = operation["responses"][str(response.status_code)]
    assert conforms(response.json(), answer["content"]["application/json"]["schema"])
    if body is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert conforms(body, schema) == (response.status_code == 200)
