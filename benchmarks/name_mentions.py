"""Count how often an identifier-like agent name found in a request is the right agent.

On train and dev requests of the public sets only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from agentmatch.mentions import NameMentions
from benchmarks.sets import DEFAULT_DATA, SET_NAMES, find_sets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks name_mentions`."""
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of public sets")


def run(arguments: argparse.Namespace) -> int:
    """Print one row a set and return the exit status."""
    print(f"{'set':22}{'requests':>10}{'names':>10}{'right':>10}")
    total = [0, 0, 0]
    for benchmark in find_sets(SET_NAMES, arguments.data):
        requests = [request for request in benchmark.split("train", "dev") if request.agents]
        if not requests:
            continue
        names = [agent.name for agent in benchmark.agents]
        mentions = NameMentions(names)
        found = [
            names[position] in request.agents
            for request in requests
            for position in mentions.find(request.text)
        ]
        row = (len(requests), len(found), sum(found))
        total = [before + value for before, value in zip(total, row, strict=True)]
        print(f"{benchmark.name:22}" + "".join(f"{value:>10,}" for value in row))
    print(f"{'all':22}" + "".join(f"{value:>10,}" for value in total))
    return 0
