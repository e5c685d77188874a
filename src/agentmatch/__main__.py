"""Run the command line as `python -m agentmatch`."""

from agentmatch.cli.main import run

run()
