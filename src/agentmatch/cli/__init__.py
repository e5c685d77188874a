"""The command line: a thin shell over the Python API, with the same verbs."""

from agentmatch.cli.main import main

__all__ = ["main"]
