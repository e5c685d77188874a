"""Encoders that saw nothing of a set's kind: what a catalogue of a stranger gets.

The shipped encoder was trained on some of the sets. Whatever is fitted on those sets, and
the proof that the training carries over, needs encoders that were not:

    python -m benchmarks encoder --leave-out tools
    python -m benchmarks encoder --leave-out coding-agents
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from agentmatch import Encoder, ModelNotFoundError, load_encoder
from benchmarks.training_data import FAMILIES

ENCODERS = "encoders"
"""The folder within the cache that holds them."""

SHIPPED = "shipped"
"""The folder of the encoder that leaves nothing out."""

JUDGED = {
    "tools": ("livemcpbench",),
    "coding-agents": ("wshobson_agents", "davila7_agents"),
}
"""Sets that are trained on by no encoder, but are of the kind of a family's sources."""


def family_of(name: str) -> str | None:
    """Return the family that must be left out to judge a set or catalogue, if any."""
    return next(
        (
            family
            for family, sources in FAMILIES.items()
            if name in sources or name in JUDGED[family]
        ),
        None,
    )


def left_out_encoders(folder: Path) -> Callable[[str], Encoder]:
    """Return a function that loads, for a set's name, an encoder that saw nothing like it.

    Args:
        folder: The folder in which `python -m benchmarks encoder` left them.

    Returns:
        The function; it raises `ModelNotFoundError` where the encoder is missing.
    """

    @cache
    def load(family: str | None) -> Encoder:
        if family is None:
            return load_encoder()
        path = folder / family
        if not path.is_dir():
            raise ModelNotFoundError(
                str(path),
                f"train it first: python -m benchmarks encoder --leave-out {family} -o {path}",
            )
        return load_encoder(str(path))

    return lambda name: load(family_of(name))
