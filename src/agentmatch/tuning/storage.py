"""Keep a head in the folder of its index.

    head/
      head.json          agents, settings, weights
      vectors.npy, coefficients.npy, term_weights.npy, by_term.npy

The index's manifest holds the sha256 of each file, like those of all others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from agentmatch.calibration import LogisticModel
from agentmatch.errors import IndexCorruptError, IndexFormatError
from agentmatch.tuning.head import Combination, Decision, TunedHead
from agentmatch.tuning.kernel_ridge import KernelSettings

HEAD_FORMAT = 1
"""Changes whenever a head is laid out, or its scores are computed, in another way."""

HEAD_FOLDER = "head"

_ARRAYS = ("vectors", "coefficients", "term_weights", "by_term")


def describe_head(head: TunedHead) -> dict[str, Any]:
    """Return what a manifest says of a head: format, agents, requests and their hash."""
    return {
        "format": HEAD_FORMAT,
        "agents": len(head.agents),
        "requests": len(head.vectors),
        "requests_hash": head.requests_hash,
    }


def write_head(generation: Path, head: TunedHead) -> None:
    """Write a head into the folder of an index's files.

    Args:
        generation: The folder.
        head: The head.

    Raises:
        OSError: The disk does not take it.
    """
    folder = generation / HEAD_FOLDER
    folder.mkdir()
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(head, name), allow_pickle=False)
    document = {
        "agents": head.agents,
        "examples": head.examples,
        "settings": asdict(head.settings),
        "decision": asdict(head.decision),
        "encoder_fingerprint": head.encoder_fingerprint,
        "requests_hash": head.requests_hash,
    }
    text = json.dumps(document, ensure_ascii=False)
    (folder / "head.json").write_text(text, encoding="utf-8", errors="surrogatepass")


def read_head(
    folder: Path, generation: str, described: Mapping[str, Any] | None
) -> TunedHead | None:
    """Read the head of an index whose files were checked already.

    Args:
        folder: The index folder.
        generation: The folder in it that holds the files.
        described: What the manifest says of the head; None where there is none.

    Returns:
        The head, or None.

    Raises:
        IndexFormatError: Another version of agentmatch tuned it.
        IndexCorruptError: Its files are not those of one head.
    """
    if described is None:
        return None
    if described.get("format") != HEAD_FORMAT:
        raise IndexFormatError(
            folder,
            "tuned by a version of agentmatch with another format; run agentmatch tune again",
        )
    place = folder / generation / HEAD_FOLDER
    try:
        document = json.loads((place / "head.json").read_bytes())
        arrays = {name: np.load(place / f"{name}.npy", allow_pickle=False) for name in _ARRAYS}
        decision = document["decision"]
        head = TunedHead(
            agents=tuple(document["agents"]),
            examples=tuple(document["examples"]),
            settings=KernelSettings(**document["settings"]),
            decision=Decision(
                Combination(**decision["combination"]),
                fits=LogisticModel(**decision["fits"]),
                untried_fits=LogisticModel(**decision["untried_fits"]),
                right=LogisticModel(**decision["right"]),
                max_none=decision["max_none"],
            ),
            encoder_fingerprint=document["encoder_fingerprint"],
            requests_hash=document["requests_hash"],
            **arrays,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexCorruptError(folder, f"its head cannot be read ({error}); tune again") from None
    if head.coefficients.shape != (len(head.vectors), len(head.agents)):
        raise IndexCorruptError(folder, "the files of its head belong to different heads")
    return head
