"""Find agents by name: those that a request names, and those near a misspelt name."""

from __future__ import annotations

import re
from collections.abc import Sequence

# A name that is an ordinary word ("search", "order") is addressed only with an at sign;
# one that is written like an identifier ("code-reviewer", "AI2sql") wherever it stands.
_IDENTIFIER = re.compile(r"\w[-_.:/]\w|[a-z][A-Z]|[A-Za-z]\d|\d[A-Za-z]")

_PUNCTUATION = "\"'`()[]{}<>,.;:!?*\u201c\u201d\u2018\u2019\u00ab\u00bb"


class NameMentions:
    """Recognise agents' names in requests.

    On the train and dev requests of five public sets, an identifier-like name in a
    request was the right agent 118 times of 121 (`python -m benchmarks name_mentions`).

    Args:
        names: The agents' names.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._positions: dict[str, list[int]] = {}
        for position, name in enumerate(names):
            self._positions.setdefault(_fold(name), []).append(position)
        self._spellings = [" ".join(name.split()) for name in names]
        self._lengths = sorted({len(name.split()) for name in names})

    def find(self, request: str) -> list[int]:
        """Return the positions of the agents that a request names, in ascending order."""
        words = request.split()
        found: set[int] = set()
        for length in self._lengths:
            for start in range(len(words) - length + 1):
                phrase = " ".join(words[start : start + length]).strip(_PUNCTUATION)
                bare = phrase.removeprefix("@")
                for position in self._positions.get(_fold(bare), ()):
                    if bare != phrase or self._stands_out(position, bare):
                        found.add(position)
        return sorted(found)

    def _stands_out(self, position: int, written: str) -> bool:
        name = self._spellings[position]
        if " " in name:
            # "C# Expert" is a name; "meal suggestion" may be what the request is about.
            return written == name and name != name.lower()
        return _IDENTIFIER.search(name) is not None


def _fold(name: str) -> str:
    return " ".join(name.casefold().split())


def no_such_name(name: str, names: Sequence[str]) -> str:
    """Say that no agent has a name, and which names are near it.

    Example:
        >>> no_such_name("bakr", ["baker", "roofer"])
        "no agent is named 'bakr'; did you mean baker?"
    """
    import difflib

    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"no agent is named {name!r}" + (f"; did you mean {', '.join(near)}?" if near else "")
