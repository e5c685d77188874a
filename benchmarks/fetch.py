"""Download a public set from its authors' repository and convert it.

    python -m benchmarks fetch clinc150 --data FOLDER

Files are taken at a pinned commit. The converted files must have the sha256 of those
that the published results were measured on; otherwise nothing is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.conversions import (
    Record,
    Sources,
    convert_banking77,
    convert_clinc150,
    convert_metatool,
    to_lines,
)
from benchmarks.sets import DEFAULT_DATA

TIMEOUT = 60.0
"""Seconds to wait for the server at each step."""

MAX_BYTES = 50_000_000
"""No source is half as large; more is not read."""

_BLOCK = 1 << 16
_RAW = "https://raw.githubusercontent.com"


class FetchError(Exception):
    """Report a set that could not be fetched."""


@dataclass(frozen=True)
class PublicSet:
    """Say where a set comes from and what it becomes.

    Attributes:
        base: The URL below which its files are, with the commit in it.
        sources: The files.
        convert: Turns them into agents and requests.
        sha256: Of the converted files, by name.
        licence: The data's licence.
    """

    base: str
    sources: tuple[str, ...]
    convert: Callable[[Sources], tuple[list[Record], list[Record]]]
    sha256: Mapping[str, str]
    licence: str


PUBLIC_SETS: dict[str, PublicSet] = {
    "clinc150": PublicSet(
        f"{_RAW}/clinc/oos-eval/828f8093932c8fe6ca7936c3d2e52903b1c523de",
        ("data/data_full.json", "data/domains.json"),
        convert_clinc150,
        {
            "agents.jsonl": "96df406d43d554d6028275c381d2d885563cb7f09b16f8d550b07e90c60cf9dd",
            "requests.jsonl": "b78a3fe991a222c6d1457d6fec455359819a0df89ed16e05124801ca2d9d01fd",
        },
        "CC BY 3.0",
    ),
    "banking77": PublicSet(
        f"{_RAW}/PolyAI-LDN/task-specific-datasets/57ec275d8078af65b7731c2a98be812d844a6d6b",
        ("banking_data/categories.json", "banking_data/train.csv", "banking_data/test.csv"),
        convert_banking77,
        {
            "agents.jsonl": "261626521eeba4e6cab1b39036f3101056e16693bcc30da62523edd111207b6e",
            "requests.jsonl": "c2ebdaa0ef26c2bd01bacb8cf6aa2bf129343fae0b1d3fadb5d262671f7b2965",
        },
        "CC BY 4.0",
    ),
    "metatool": PublicSet(
        f"{_RAW}/HowieHwong/MetaTool/35e81bb7576826e980c80fed8f8c0a2b4a1e6fbb",
        (
            "dataset/plugin_des.json",
            "dataset/plugin_info.json",
            "dataset/data/all_clean_data.csv",
            "dataset/data/multi_tool_query_golden.json",
            "dataset/tmp_dataset/Task1.json",
        ),
        convert_metatool,
        {
            "agents.jsonl": "d7b2ce9355c5a511cd9ce9217eada7759fe1af4200e2a5e35eb1eba8e7b559b4",
            "requests.jsonl": "9054843292bc7d8af823231da729635e822021da2e53d358aa7461fccc988316",
        },
        "MIT",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks fetch`."""
    parser.add_argument("name", choices=sorted(PUBLIC_SETS), metavar="NAME", help="which set")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of public sets")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    chosen = PUBLIC_SETS[arguments.name]
    folder = arguments.data / arguments.name
    try:
        fetch(chosen, folder)
    except FetchError as error:
        print(f"{arguments.name}: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: {' and '.join(chosen.sha256)} written ({chosen.licence})")
    return 0


def fetch(public: PublicSet, folder: Path) -> None:
    """Download, convert, verify and write a set.

    Args:
        public: The set.
        folder: Where its files go; they are replaced one by one, each in one step.

    Raises:
        FetchError: A file cannot be had, is not what was expected, or the converted
            files are not those of the published results. Nothing is written then.
    """
    sources = {path: download(f"{public.base}/{path}") for path in public.sources}
    try:
        agents, requests = public.convert(sources)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FetchError(
            f"the downloaded files are laid out in another way than expected ({error!r})"
        ) from error
    contents = {"agents.jsonl": to_lines(agents), "requests.jsonl": to_lines(requests)}
    for name, content in contents.items():
        found = hashlib.sha256(content).hexdigest()
        if found != public.sha256[name]:
            raise FetchError(
                f"the converted {name} has sha256 {found[:12]}..., not the expected "
                f"{public.sha256[name][:12]}...; nothing was written"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            temporary = folder / f".{name}.new"
            temporary.write_bytes(content)
            temporary.replace(folder / name)
    except OSError as error:
        raise FetchError(f"{folder} cannot be written: {error.strerror or error}") from error


def download(url: str, *, timeout: float = TIMEOUT, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a file from the web.

    Args:
        url: Where it is.
        timeout: Seconds to wait for the server at each step.
        max_bytes: More than this is refused.

    Returns:
        The file's content.

    Raises:
        FetchError: It cannot be had, is too large or was cut off.
    """
    content = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            while block := response.read(_BLOCK):
                content += block
                if len(content) > max_bytes:
                    raise FetchError(f"{url} is larger than {max_bytes:,} bytes; not read further")
            expected = response.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        error.close()
        raise FetchError(f"{url}: the server answers {error.code} {error.reason}") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise FetchError(f"{url} cannot be downloaded: {reason}") from None
    if expected is not None and len(content) < int(expected):
        raise FetchError(f"{url} was cut off after {len(content):,} of {expected} bytes")
    return bytes(content)
