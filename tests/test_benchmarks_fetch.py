"""Downloads against a local server, conversions of small sources."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from benchmarks.conversions import (
    convert_banking77,
    convert_clinc150,
    convert_metatool,
    to_lines,
)
from benchmarks.fetch import FetchError, PublicSet, download, fetch

CLINC = {
    "data/data_full.json": json.dumps(
        {
            "train": [["pay my bill", "pay_bill"], ["set an alarm", "alarm"]],
            "val": [["pay it", "pay_bill"]],
            "test": [["wake me", "alarm"]],
            "oos_train": [["who am i", "oos"]],
            "oos_val": [],
            "oos_test": [["why", "oos"]],
        }
    ).encode(),
    "data/domains.json": json.dumps({"home_banking": ["pay_bill"], "utility": ["alarm"]}).encode(),
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve a few files, one of them cut off."""

    files: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        content = self.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        cut = self.path.endswith("cut")
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + 10 * cut))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Handler.files = {**CLINC, "cut": b"half"}
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


def public_set(server: str, **changed: str) -> PublicSet:
    agents, requests = convert_clinc150(CLINC)
    sha256 = {
        "agents.jsonl": hashlib.sha256(to_lines(agents)).hexdigest(),
        "requests.jsonl": hashlib.sha256(to_lines(requests)).hexdigest(),
    }
    return PublicSet(server, tuple(CLINC), convert_clinc150, sha256 | changed, "none")


def test_a_set_is_fetched_converted_and_written(server: str, tmp_path: Path) -> None:
    fetch(public_set(server), tmp_path / "clinc150")
    agents = [json.loads(x) for x in (tmp_path / "clinc150/agents.jsonl").read_text().splitlines()]
    assert [(agent["id"], agent["name"], agent["description"]) for agent in agents] == [
        ("alarm", "alarm", "utility"),
        ("pay_bill", "pay bill", "home banking"),
    ]
    lines = (tmp_path / "clinc150/requests.jsonl").read_text().splitlines()
    assert [(row["id"], row["agents"], row["split"]) for row in map(json.loads, lines)] == [
        ("clinc-train-0", ["pay_bill"], "train"),
        ("clinc-train-1", ["alarm"], "train"),
        ("clinc-val-0", ["pay_bill"], "dev"),
        ("clinc-test-0", ["alarm"], "test"),
        ("clinc-oos_train-0", [], "train"),
        ("clinc-oos_test-0", [], "test"),
    ]
    assert sorted(path.name for path in (tmp_path / "clinc150").iterdir()) == [
        "agents.jsonl",
        "requests.jsonl",
    ]


def test_other_content_than_expected_is_not_kept(server: str, tmp_path: Path) -> None:
    wrong = public_set(server, **{"requests.jsonl": "0" * 64})
    with pytest.raises(FetchError, match=r"requests\.jsonl has sha256 .* nothing was written"):
        fetch(wrong, tmp_path / "clinc150")
    assert not (tmp_path / "clinc150").exists()


def test_another_layout_is_reported(server: str, tmp_path: Path) -> None:
    Handler.files = {**CLINC, "data/domains.json": b'{"utility": ["alarm"]}'}
    with pytest.raises(FetchError, match="another way than expected"):
        fetch(public_set(server), tmp_path)
    assert not list(tmp_path.iterdir())


def test_downloads_that_fail_say_why(server: str) -> None:
    with pytest.raises(FetchError, match="the server answers 404"):
        download(f"{server}/missing")
    with pytest.raises(FetchError, match="larger than 10 bytes"):
        download(f"{server}/data/domains.json", max_bytes=10)
    with pytest.raises(FetchError, match=r"cut off after 4 of 14 bytes|cannot be downloaded"):
        download(f"{server}/cut")
    with pytest.raises(FetchError, match="cannot be downloaded"):
        download("http://127.0.0.1:9/closed", timeout=1)


def test_banking77_keeps_the_order_of_its_categories() -> None:
    agents, requests = convert_banking77(
        {
            "banking_data/categories.json": b'["card_arrival", "Refund_not_showing_up"]',
            "banking_data/train.csv": b'text,category\n"Where\nis  it?",card_arrival\n',
            "banking_data/test.csv": "text,category\r\nMy £5?,Refund_not_showing_up\r\n".encode(),
        }
    )
    assert [agent["name"] for agent in agents] == ["card arrival", "Refund not showing up"]
    assert [(row["id"], row["text"], row["agents"]) for row in requests] == [
        ("banking77-train-0", "Where is it?", ["card_arrival"]),
        ("banking77-test-0", "My £5?", ["Refund_not_showing_up"]),
    ]


def test_metatool_gets_splits_and_drops_ambiguous_texts() -> None:
    rows = [f"money {number},FinanceTool" for number in range(10)]
    csv = "\n".join(["Query,Tool", *rows, "both,FinanceTool", "both,maps", "road,maps"])
    agents, requests = convert_metatool(
        {
            "dataset/plugin_des.json": b'{"maps": "Shows  maps.", "FinanceTool": "Money."}',
            "dataset/plugin_info.json": json.dumps(
                [
                    {
                        "name_for_model": "maps",
                        "name_for_human": "Map Finder",
                        "description_for_model": "m" * 900,
                    }
                ]
            ).encode(),
            "dataset/data/all_clean_data.csv": csv.encode(),
            "dataset/data/multi_tool_query_golden.json": json.dumps(
                [
                    {"query": f"pair {number}", "tool": ["maps", "FinanceTool"]}
                    for number in range(10)
                ]
            ).encode(),
            "dataset/tmp_dataset/Task1.json": json.dumps(
                [{"query": f"none {number}", "label": "negative"} for number in range(5)]
                + [{"query": "some", "label": "positive"}]
            ).encode(),
        }
    )
    assert [(agent["id"], agent["name"]) for agent in agents] == [
        ("FinanceTool", "Finance Tool"),
        ("maps", "Map Finder"),
    ]
    assert agents[1]["description"] == "Shows maps."
    assert len(agents[1]["when_to_use"][0]) == 800
    by_kind = [[row["split"] for row in requests if kind in row["id"]] for kind in ("multi", "neg")]
    assert by_kind == [["train"] * 2 + ["dev"] + ["test"] * 7, ["train", "dev"] + ["test"] * 3]
    single = [row for row in requests if "single" in row["id"]]
    assert [row["split"] for row in single] == ["train"] * 7 + ["dev"] + ["test"] * 2 + ["train"]
    assert {row["text"] for row in single} == {f"money {number}" for number in range(10)} | {"road"}
