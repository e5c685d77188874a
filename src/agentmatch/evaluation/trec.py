"""Export a run in the formats of trec_eval, for other tools of the field."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from agentmatch.evaluation.runs import Run
from agentmatch.files import write_atomically

_UNSAFE = re.compile(r"[\s%\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def write_trec(run: Run, folder: Path | str) -> None:
    """Write `run.txt` and `qrels.txt`.

    Their columns are separated by blanks, so blanks, control characters and "%" in ids
    and names are percent-encoded ("C# Expert" becomes "C#%20Expert");
    `urllib.parse.unquote` gives the original back. The score column counts down the
    ranks: trec_eval orders by it alone and would break equal scores in its own way.
    Requests that no agent fits have no line in `qrels.txt`, failed ones none in
    `run.txt`.

    Args:
        run: The run.
        folder: Made where it does not exist; both files in it are replaced.

    Raises:
        OSError: The disk does not take them.
    """
    rankings, labels = [], []
    for entry in run.entries:
        query = escape_field(entry.id)
        labels += [f"{query} 0 {escape_field(name)} 1\n" for name in entry.gold]
        rankings += [
            f"{query} Q0 {escape_field(name)} {rank} {len(entry.names) - rank + 1} agentmatch\n"
            for rank, name in enumerate(entry.names, start=1)
        ]
    target = Path(folder)
    write_atomically(target / "run.txt", "".join(rankings).encode("utf-8"))
    write_atomically(target / "qrels.txt", "".join(labels).encode("utf-8"))


def escape_field(text: str) -> str:
    """Percent-encode what would break a column of a TREC file.

    Example:
        >>> escape_field("C# Expert")
        'C#%20Expert'
    """
    return _UNSAFE.sub(lambda found: quote(found.group(), safe="", errors="surrogatepass"), text)
