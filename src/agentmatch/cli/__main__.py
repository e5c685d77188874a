"""Run the command line as `python -m agentmatch.cli`."""

from agentmatch.cli.main import run

run()
