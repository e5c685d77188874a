"""The documentation tells the truth: outputs, commands, order of reading, changelog."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from agentmatch.cli.main import COMMANDS
from test_imports import MODULES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OUTPUTS = re.findall(r"<!-- output: (.+?) -->\n```(?:text|json)\n(.*?)```", README, re.DOTALL)
COLUMNS = 92


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").split("\n")]


@pytest.mark.parametrize(("command", "expected"), OUTPUTS)
def test_outputs_are_what_the_commands_print(command: str, expected: str, real_cache: Path) -> None:
    program, *arguments = shlex.split(command)
    assert program == "agentmatch"
    done = subprocess.run(
        [sys.executable, "-m", "agentmatch", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "COLUMNS": str(COLUMNS),
            "AGENTMATCH_AGENTS": "agents",
            "AGENTMATCH_CACHE_DIR": str(real_cache),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert lines(done.stdout) == lines(expected)


@pytest.mark.parametrize("module", sorted(name for name in MODULES if "__main__" not in name))
def test_examples_of_docstrings_are_true(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_the_readme_shows_output() -> None:
    assert OUTPUTS


def test_every_command_is_in_the_readme() -> None:
    table = README.partition("## Commands")[2].partition("\n## ")[0]
    words = set(re.findall(r"[a-z]+", " ".join(re.findall(r"`([^`]+)`", table))))
    assert set(COMMANDS) <= words


def test_the_order_of_reading_names_every_module() -> None:
    passage = README.partition("reads well in this order:")[2].partition(".\n")[0]
    listed = {name.rstrip("/") for name in re.findall(r"`([^`]+)`", passage)}
    source = ROOT / "src" / "agentmatch"
    modules = {entry.stem for entry in source.iterdir() if entry.suffix == ".py"} | {
        entry.name for entry in source.iterdir() if (entry / "__init__.py").is_file()
    }
    assert modules - {"__init__", "__main__", "version"} - listed == set()
    assert listed <= modules


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
