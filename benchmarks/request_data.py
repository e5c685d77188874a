"""Check our labelled requests, and draw their train, dev and test splits.

    python -m benchmarks requests            check data/requests.jsonl
    python -m benchmarks requests --assign   write the splits into it again

The splits are drawn by a seeded shuffle within each kind of request. Requests that are
near-duplicates of each other (Jaccard similarity of their word pairs) always share a
split.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[1]
REQUESTS = ROOT / "data" / "requests.jsonl"

SHARES = (("train", 0.40), ("dev", 0.15), ("test", 0.45))
"""The splits and their shares."""

SEED = 20261125

NEAR_DUPLICATE = 0.3
"""Requests whose word pairs overlap this much (Jaccard) are near-duplicates."""


class Record(TypedDict):
    """One line of the file."""

    id: str
    text: str
    agents: list[str]
    split: str
    tags: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks requests`."""
    parser.add_argument("--assign", action="store_true", help="write the splits")


def run(arguments: argparse.Namespace) -> int:
    """Check or assign, and return the exit status."""
    records = read(REQUESTS)
    pairs = near_duplicates([record["text"] for record in records])
    splits = draw_splits(records, pairs)
    if arguments.assign:
        for record, split in zip(records, splits, strict=True):
            record["split"] = split
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        REQUESTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    problems = find_problems(records, pairs, splits)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(describe(records, len(pairs)))
    return 1 if problems else 0


def read(path: Path) -> list[Record]:
    """Read the requests in their order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def word_pairs(text: str) -> frozenset[tuple[str, ...]]:
    """Return the pairs of neighbouring words (of characters where there are no blanks)."""
    words = re.findall(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|\w+", text.casefold())
    return frozenset(pairwise(words)) or frozenset({tuple(words)})


def near_duplicates(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of positions whose texts are nearly the same."""
    sets = [word_pairs(text) for text in texts]
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    found = []
    for position, members in enumerate(sets):
        candidates = {other for member in members for other in holders[member]}
        for other in sorted(candidates):
            shared = len(members & sets[other])
            if shared / len(members | sets[other]) >= NEAR_DUPLICATE:
                found.append((other, position))
        for member in members:
            holders[member].append(position)
    return found


def draw_splits(records: Sequence[Record], pairs: Sequence[tuple[int, int]]) -> list[str]:
    """Draw a split for each request: stratified, seeded, near-duplicates together."""
    leader = list(range(len(records)))
    for first, second in pairs:
        while leader[first] != first:
            first = leader[first]
        leader[second] = first
    strata: dict[str, list[int]] = defaultdict(list)
    for position in sorted(range(len(records)), key=lambda i: records[i]["id"]):
        if leader[position] == position:
            strata[stratum(records[position])].append(position)
    generator = random.Random(SEED)
    splits = [""] * len(records)
    carried = dict.fromkeys((name for name, _ in SHARES), 0.0)
    for _, members in sorted(strata.items()):
        generator.shuffle(members)
        for position in members:
            # The split that is furthest behind its share takes the next request.
            for name, share in SHARES:
                carried[name] += share
            chosen = max(carried, key=lambda name: (carried[name], name))
            carried[chosen] -= 1
            splits[position] = chosen
    for position, first in enumerate(leader):
        while leader[first] != first:
            first = leader[first]
        splits[position] = splits[first]
    return splits


def stratum(record: Record) -> str:
    """Name the group within which requests are spread over the splits."""
    tags = record["tags"]
    if "multi" in tags:
        return f"multi {len(record['agents'])}"
    if "none" in tags:
        return next(tag for tag in tags if tag.startswith("none:"))
    if "language" in tags:
        return next(tag for tag in tags if tag.startswith("lang:"))
    return f"single {record['agents'][0]}"


def find_problems(
    records: Sequence[Record], pairs: Sequence[tuple[int, int]], splits: Sequence[str]
) -> list[str]:
    """List what is wrong with the file."""
    problems: list[str] = []
    names = {path.stem for path in (ROOT / "agents").glob("*/*.md")}
    for field, values in (
        ("id", [record["id"] for record in records]),
        ("text", [record["text"] for record in records]),
    ):
        counts = Counter(values)
        problems += [f"{field} occurs {n} times: {key}" for key, n in counts.items() if n > 1]
    for record, split in zip(records, splits, strict=True):
        unknown = set(record["agents"]) - names
        if unknown:
            problems.append(f"{record['id']}: unknown agents {sorted(unknown)}")
        if record["split"] != split:
            problems.append(
                f"{record['id']}: split {record['split']!r} is not the seeded {split!r}"
            )
    for first, second in pairs:
        if records[first]["split"] != records[second]["split"]:
            problems.append(
                f"{records[first]['id']} and {records[second]['id']} are near-duplicates "
                "in different splits"
            )
    return problems


def describe(records: Sequence[Record], near: int) -> str:
    """Count requests by split, kind and tag."""
    lines = [f"{len(records)} requests, {near} near-duplicate pairs"]
    kinds = Counter((kind(record), record["split"]) for record in records)
    lines.append(f"{'kind':12}" + "".join(f"{name:>8}" for name, _ in SHARES) + f"{'all':>8}")
    for name in ("one agent", "several", "language", "none"):
        row = [kinds[name, split] for split, _ in SHARES]
        lines.append(f"{name:12}" + "".join(f"{count:>8}" for count in [*row, sum(row)]))
    tags = Counter(tag for record in records for tag in record["tags"])
    lines.append("tags: " + ", ".join(f"{tag} {count}" for tag, count in tags.most_common()))
    return "\n".join(lines)


def kind(record: Record) -> str:
    """Name a request's kind for the count."""
    if not record["agents"]:
        return "none"
    if "multi" in record["tags"]:
        return "several"
    return "language" if "language" in record["tags"] else "one agent"
