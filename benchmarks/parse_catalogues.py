"""Load every catalogue in a folder and compare the number of agents with its SOURCE.md.

    python -m benchmarks catalogues [--data ../shared/catalogues]

Each catalogue is a folder with a SOURCE.md that holds a line
"agent definition files: 158". Exits with 1 when a count differs.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path

from agentmatch import load_catalogue

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "catalogues"
FIELDS = ("description", "when_to_use", "example_tasks", "capabilities", "expertise")
_EXPECTED = re.compile(r"agent definition files: (\d+)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks catalogues`."""
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of catalogues")


def run(arguments: argparse.Namespace) -> int:
    """Print one row a catalogue and return the exit status."""
    data = arguments.data
    sources = sorted(data.glob("*/SOURCE.md"))
    if not sources:
        print(f"skipped: {data} holds no catalogue with a SOURCE.md", file=sys.stderr)
        return 0
    headings = ("read", "expected", "duplicates", "notes", "warnings", "errors", *FIELDS, "seconds")
    print(f"{'catalogue':42}" + "".join(f"{heading:>14}" for heading in headings))
    differing = [source.parent.name for source in sources if not _print_row(source)]
    if differing:
        print(f"\ncounts differ: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


def _print_row(source: Path) -> bool:
    """Load one catalogue, print its row and tell whether its count is the expected one."""
    found = _EXPECTED.search(source.read_text(encoding="utf-8"))
    expected = int(found[1]) if found else -1
    start = time.perf_counter()
    catalogue = load_catalogue(source.parent)
    seconds = time.perf_counter() - start
    codes = Counter(problem.code for problem in catalogue.problems)
    severities = Counter(problem.severity for problem in catalogue.problems)
    filled = (sum(bool(getattr(agent, name)) for agent in catalogue) for name in FIELDS)
    cells = (
        len(catalogue),
        expected,
        codes["duplicate-name"],
        severities["note"],
        severities["warning"],
        severities["error"],
        *filled,
        f"{seconds:.1f}",
    )
    print(f"{source.parent.name:42}" + "".join(f"{cell:>14}" for cell in cells))
    return len(catalogue) == expected
