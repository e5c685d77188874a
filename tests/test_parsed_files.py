"""Reading again only what changed gives what reading everything gives."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from agentmatch import parsed_files
from agentmatch.cache import load_cached_index
from agentmatch.catalogue import load_catalogue, unique_agents
from agentmatch.index import build_index
from agentmatch.parsed_files import ParsedFiles
from conftest import HashingEncoder, write_trades

OLD = 1_600_000_000_000_000_000

# Repeated often enough to be taken out of agents, so that one file's change shows in others.
SHARED = "## Best Practices\n- Always keep every single tool very clean\n"
CONTENTS = (
    "# {name}: The {name}\n\n## Description\nLooks after matter {number}.\n\n" + SHARED,
    "---\nname: {name}\ndescription: Handles case {number}. Keep calm and carry on working.\n---\n",
    "---\nname: twin\ndescription: One of several, number {number}.\n---\n",
    "---\nname: [broken\n---\nText {number}\n",
    "Only notes, number {number}.\n",
    "\xff\xfe",
)
LINES = '{{"id": "line-{number}", "description": "Line {number}."}}\nno JSON {number}\n'


def change(folder: Path, chooser: random.Random, clock: int) -> None:
    """Write, remove or touch some files."""
    for _ in range(chooser.randint(1, 6)):
        number = chooser.randrange(12)
        file = folder / f"part-{number % 3}" / f"file-{number}.md"
        if number == 11:
            file = folder / "agents.jsonl"
        action = chooser.random()
        if action < 0.25:
            file.unlink(missing_ok=True)
            continue
        file.parent.mkdir(exist_ok=True)
        if action < 0.85 or not file.exists():
            content = LINES if number == 11 else chooser.choice(CONTENTS)
            file.write_text(
                content.format(name=f"agent-{number}", number=chooser.randrange(50)),
                encoding="utf-8",
            )
        os.utime(file, ns=(OLD + clock, OLD + clock))


@pytest.mark.parametrize("seed", range(8))
def test_refreshed_indexes_are_those_of_a_full_load(seed: int, tmp_path: Path) -> None:
    chooser = random.Random(seed)
    folder = write_trades(tmp_path / "agents")
    kept: list[bytes] = []
    for clock in range(10):
        change(folder, chooser, clock * 10**9)
        files = ParsedFiles(kept)
        full = load_catalogue(folder)
        assert load_catalogue(folder, read=files.read) == full
        kept = list(files.lines())
        cached = load_cached_index(folder, HashingEncoder())
        index = build_index(unique_agents(full.agents), HashingEncoder())
        assert cached.problems == full.problems
        assert cached.index.agents == index.agents
        assert cached.index.content_hashes == index.content_hashes
        assert cached.index.passages == index.passages


def test_only_changed_files_are_parsed(tmp_path: Path) -> None:
    folder = write_trades(tmp_path / "agents")
    for file in folder.iterdir():
        os.utime(file, ns=(OLD, OLD))
    first = ParsedFiles()
    load_catalogue(folder, read=first.read)
    assert first.parsed == 5
    (folder / "baker.md").write_text("# baker: Baker\n\n## Description\nBakes.\n")
    os.utime(folder / "baker.md", ns=(OLD + 1, OLD + 1))
    second = ParsedFiles(list(first.lines()))
    load_catalogue(folder, read=second.read)
    assert second.parsed == 1


def test_a_file_that_was_just_written_is_parsed_again(tmp_path: Path) -> None:
    folder = write_trades(tmp_path / "agents", ["baker"])
    first = ParsedFiles()
    load_catalogue(folder, read=first.read)
    second = ParsedFiles(list(first.lines()))
    load_catalogue(folder, read=second.read)
    assert second.parsed == 1


def test_what_another_version_read_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_trades(tmp_path / "agents", ["baker"])
    os.utime(folder / "baker.md", ns=(OLD, OLD))
    first = ParsedFiles()
    load_catalogue(folder, read=first.read)
    lines = list(first.lines())
    monkeypatch.setattr(parsed_files, "__version__", "another")
    second = ParsedFiles(lines)
    load_catalogue(folder, read=second.read)
    assert second.parsed == 1
