"""Describe the HTTP interface (OpenAPI 3.1)."""

from __future__ import annotations

from typing import Any

from agentmatch.server.limits import MAX_BODY_BYTES, MAX_REQUESTS, TOP_K
from agentmatch.types import LINE_FIELDS
from agentmatch.version import __version__

_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_PROBABILITY: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
_TOP_K: dict[str, Any] = {
    "type": "integer",
    "minimum": 1,
    "default": TOP_K,
    "description": "How many agents to return for each request.",
}


def openapi_document() -> dict[str, Any]:
    """Return the description of the HTTP interface."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "agentmatch",
            "version": __version__,
            "description": "Which agent should do this task?",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            "/match": {
                "post": {
                    "operationId": "match",
                    "summary": "Rank the agents that fit one request or several.",
                    "requestBody": {
                        "required": True,
                        "description": f"At most {MAX_BODY_BYTES} bytes.",
                        "content": {
                            "application/json": {
                                "schema": {"oneOf": [_ref("Request"), _ref("Requests")]}
                            }
                        },
                    },
                    "responses": {
                        "200": _answer(
                            "The answer; a list of answers, in order, where a list was asked.",
                            {
                                "oneOf": [
                                    _ref("Result"),
                                    {"type": "array", "items": _ref("Result")},
                                ]
                            },
                        ),
                        "400": _error("The body is malformed."),
                        "413": _error("The body is too large or holds too many requests."),
                        "422": _error("A request cannot be answered, such as an empty one."),
                    },
                }
            },
            "/agents": {
                "get": {
                    "operationId": "listAgents",
                    "summary": "List the agents, sorted by name.",
                    "responses": {
                        "200": _answer(
                            "The agents.", {"type": "array", "items": _ref("AgentSummary")}
                        )
                    },
                }
            },
            "/agents/{name}": {
                "get": {
                    "operationId": "showAgent",
                    "summary": "Show everything that was read of an agent.",
                    "parameters": [
                        {"name": "name", "in": "path", "required": True, "schema": _TEXT}
                    ],
                    "responses": {
                        "200": _answer("The agent.", _ref("Agent")),
                        "404": _error("No agent has that name."),
                    },
                }
            },
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "Say whether the server answers from the present catalogue.",
                    "responses": {"200": _answer("The state.", _ref("Health"))},
                }
            },
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "Return this description.",
                    "responses": {"200": _answer("The description.", {"type": "object"})},
                }
            },
        },
        "components": {"schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    return {
        "Request": _object(
            {"request": {**_TEXT, "minLength": 1}, "top_k": _TOP_K, "min_confidence": _PROBABILITY},
            ["request"],
        ),
        "Requests": _object(
            {
                "requests": {**_TEXTS, "maxItems": MAX_REQUESTS},
                "top_k": _TOP_K,
                "min_confidence": _PROBABILITY,
            },
            ["requests"],
        ),
        "Result": _object(
            {
                "request": _TEXT,
                "abstained": {"type": "boolean", "description": "No agent fits."},
                "confidence_none": _PROBABILITY,
                "matches": {"type": "array", "items": _ref("Match")},
                "near_misses": {"type": "array", "items": _ref("Match")},
                "warnings": _TEXTS,
            }
        ),
        "Match": _object(
            {
                "rank": {"type": "integer", "minimum": 1},
                "agent": _TEXT,
                "title": _TEXT,
                "path": _TEXT_OR_NULL,
                "score": {"type": "number", "description": "Higher is better."},
                "confidence": _PROBABILITY,
                "evidence": {"type": "array", "items": _ref("Evidence")},
            }
        ),
        "Evidence": _object(
            {
                "section": _TEXT,
                "text": _TEXT,
                "similarity": {"type": "number", "minimum": -1, "maximum": 1},
            }
        ),
        "AgentSummary": _object(
            {"name": _TEXT, "title": _TEXT, "description": _TEXT, "path": _TEXT_OR_NULL}
        ),
        "Agent": _object(
            {
                **dict.fromkeys(("name", "title", "description", "model", "body"), _TEXT),
                **dict.fromkeys((*LINE_FIELDS, "tags", "tools"), _TEXTS),
                "metadata": {"type": "object"},
                "path": _TEXT_OR_NULL,
            }
        ),
        "Health": _object(
            {
                "status": {
                    "enum": ["ok", "outdated"],
                    "description": "Outdated: the present files cannot be used, the agents "
                    "of the former ones answer.",
                },
                "version": _TEXT,
                "agents": _COUNT,
                "encoder": _object({"name": _TEXT, "fingerprint": _TEXT}),
                "catalogue": _object(
                    {
                        "path": _TEXT_OR_NULL,
                        "error": _TEXT_OR_NULL,
                        "problems": {**_COUNT, "description": "Errors in its files."},
                        "reloads": _COUNT,
                        "loaded": {**_TEXT, "format": "date-time"},
                    }
                ),
                "uptime_seconds": {"type": "number", "minimum": 0},
            }
        ),
        "Error": _object({"error": _TEXT}),
    }


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _error(description: str) -> dict[str, Any]:
    return _answer(description, _ref("Error"))
