"""`python -m benchmarks COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from agentmatch import AgentMatchError

COMMANDS = {
    "run": ("run", "measure every method on every set"),
    "encoder": ("encoder", "train the encoder that agentmatch ships"),
    "transfer": ("transfer", "prove that the encoder's training carries over"),
    "fusion": ("fusion", "fit and ablate the weights of the signals"),
    "tuning": ("tuning", "measure what tuning on labelled requests brings"),
    "calibration": ("calibration", "fit and measure confidences and the bar for none"),
    "team": ("team", "fit and measure teams for requests of several jobs"),
    "peer": ("peer_settings", "choose semantic-router's best setting on dev requests"),
    "name_mentions": ("name_mentions", "count how often a name in a request is the right agent"),
    "tables": ("tables", "write the tables of README.md from the results"),
    "fetch": ("fetch", "download a public set and convert it"),
    "kill": ("kill_index_build", "kill index builds at random points and check what is left"),
    "requests": ("request_data", "check our labelled requests and their splits"),
    "speed": ("speed", "measure cold start, latency, throughput and every size"),
    "server": ("server", "measure the server under load, edits and kills"),
    "catalogues": ("parse_catalogues", "count the agents of a folder of catalogues"),
}
"""Each command's module and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module_name, purpose) in COMMANDS.items():
        module = importlib.import_module(f"benchmarks.{module_name}")
        command = commands.add_parser(
            name, help=purpose, description=(module.__doc__ or "").splitlines()[0]
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except AgentMatchError as error:
        print(error, file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
