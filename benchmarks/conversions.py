"""Turn the published files of public sets into agents and requests; pure functions.

Each converter takes the sources' bytes by path and returns the lines of `agents.jsonl`
and `requests.jsonl`. Their output is checked against a pinned sha256 by `fetch`, so a
reader of results knows that he has the very same requests.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterable, Mapping
from typing import Any

Sources = Mapping[str, bytes]
Record = dict[str, Any]

METATOOL_SEED = 0
MAX_MODEL_DESCRIPTION = 800
"""Characters of a plug-in's `description_for_model` that are kept."""


def convert_clinc150(sources: Sources) -> tuple[list[Record], list[Record]]:
    """Convert `data_full.json` and `domains.json`: intents become agents."""
    data = json.loads(sources["data/data_full.json"])
    domains = json.loads(sources["data/domains.json"])
    domain_of = {intent: _words(domain) for domain, found in domains.items() for intent in found}
    agents = [
        _agent(intent, _words(intent), domain_of[intent])
        for intent in sorted(
            {intent for part in ("train", "val", "test") for _, intent in data[part]}
        )
    ]
    requests = []
    for part in ("train", "val", "test", "oos_train", "oos_val", "oos_test"):
        split = part.removeprefix("oos_").replace("val", "dev")
        for number, (text, intent) in enumerate(data[part]):
            gold = [] if part.startswith("oos_") else [intent]
            requests.append(_request(f"clinc-{part}-{number}", text, gold, split))
    return agents, requests


def convert_banking77(sources: Sources) -> tuple[list[Record], list[Record]]:
    """Convert `categories.json`, `train.csv` and `test.csv`: intents become agents."""
    intents = json.loads(sources["banking_data/categories.json"])
    agents = [_agent(intent, _words(intent), "") for intent in intents]
    requests = []
    for split in ("train", "test"):
        rows = _csv(sources[f"banking_data/{split}.csv"])
        for number, row in enumerate(rows):
            text = " ".join(row["text"].split())
            requests.append(_request(f"banking77-{split}-{number}", text, [row["category"]], split))
    return agents, requests


def convert_metatool(sources: Sources) -> tuple[list[Record], list[Record]]:
    """Convert MetaTool: tools become agents; requests get splits, as it has none.

    One generator, seed 0, shuffles the requests of one tool after the other (by name),
    then those with two tools, then those that need none; each list is cut into train,
    dev and test.
    """
    descriptions = json.loads(sources["dataset/plugin_des.json"])
    plugins = {
        plugin["name_for_model"]: plugin
        for plugin in _records(json.loads(sources["dataset/plugin_info.json"]))
    }
    agents = []
    for tool in sorted(descriptions):
        plugin = plugins.get(tool, {})
        agents.append(
            _agent(
                tool,
                _collapse(plugin.get("name_for_human", "")) or _split_case(tool),
                _collapse(descriptions[tool]),
                _collapse(plugin.get("description_for_model", ""))[:MAX_MODEL_DESCRIPTION],
            )
        )
    labels: dict[str, dict[str, None]] = {}
    for row in _csv(sources["dataset/data/all_clean_data.csv"]):
        labels.setdefault(_collapse(row["Query"]), {})[row["Tool"]] = None
    by_tool: dict[str, list[str]] = {}
    for text, tools in labels.items():
        # The source labels a dozen texts with several tools, one row each.
        if len(tools) == 1:
            by_tool.setdefault(next(iter(tools)), []).append(text)
    generator = random.Random(METATOOL_SEED)
    requests: list[Record] = []
    single: list[Record] = []
    for tool in sorted(by_tool):
        texts = [(text, [tool]) for text in by_tool[tool]]
        single += _split(texts, 0.7, 0.8, generator)
    requests += _number("metatool-single", single)
    multi = [
        (_collapse(row["query"]), list(row["tool"]))
        for row in json.loads(sources["dataset/data/multi_tool_query_golden.json"])
    ]
    requests += _number("metatool-multi", _split(multi, 0.2, 0.3, generator))
    negative: dict[str, list[str]] = {
        _collapse(row["query"]): []
        for row in _records(json.loads(sources["dataset/tmp_dataset/Task1.json"]))
        if row["label"] == "negative"
    }
    requests += _number("metatool-neg", _split(list(negative.items()), 0.2, 0.4, generator))
    return agents, requests


def to_lines(records: Iterable[Record]) -> bytes:
    """Write records as JSON lines in UTF-8."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def _agent(identifier: str, name: str, description: str, when_to_use: str = "") -> Record:
    return {
        "id": identifier,
        "name": name,
        "description": description,
        "when_to_use": [when_to_use] if when_to_use else [],
        "examples": [],
        "capabilities": [],
    }


def _request(identifier: str, text: str, agents: list[str], split: str) -> Record:
    return {"id": identifier, "text": text, "agents": agents, "split": split}


def _split(
    rows: list[tuple[str, list[str]]], train: float, dev: float, generator: random.Random
) -> list[Record]:
    """Shuffle rows and cut them where the shares `train` and `dev` end."""
    rows = list(rows)
    generator.shuffle(rows)
    first, second = round(train * len(rows)), round(dev * len(rows))
    return [
        _request("", text, agents, "train" if at < first else "dev" if at < second else "test")
        for at, (text, agents) in enumerate(rows)
    ]


def _number(prefix: str, records: list[Record]) -> list[Record]:
    return [{**record, "id": f"{prefix}-{number}"} for number, record in enumerate(records)]


def _records(document: Any) -> list[Record]:
    """Return a list of records, also where they stand in a mapping."""
    return list(document.values()) if isinstance(document, dict) else list(document)


def _csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def _words(identifier: str) -> str:
    return identifier.replace("_", " ")


def _split_case(identifier: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", identifier)
    return _collapse(_words(spaced))


def _collapse(text: str) -> str:
    return " ".join(text.split())
