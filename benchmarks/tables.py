"""Write the tables of README.md from the result files, between markers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.sets import ROOT, SET_NAMES
from benchmarks.tuning_table import tuning_table

README = Path(__file__).with_name("README.md")
RESULTS = Path(__file__).with_name("results")

FRONT_PAGE = ROOT / "README.md"
FRONT_BLOCKS = ("zero_shot", "zero_shot_rivals")
"""The blocks that the repository's own README shows as well."""

MODEL_CARD = ROOT / "src" / "agentmatch" / "model" / "README.md"
MODEL_BLOCKS = ("trained_on", "transfer", "transfer_verdict", "intents")
"""The blocks that the card of the shipped model shows."""

DATA_CARD = Path(__file__).with_name("encoder_data") / "README.md"
DATA_BLOCKS = ("trained_on",)
"""The blocks that the card of the training data shows."""

LABELS = {
    "agentmatch": "agentmatch",
    "agentmatch_base": "agentmatch, all-MiniLM-L6-v2",
    "bm25": "BM25",
    "tfidf": "TF-IDF",
    "whole_text": "whole text",
    "best_passage": "best passage",
    "nearest_centroid": "nearest centroid",
    "semantic_router": "semantic-router",
    "semantic_router_best": "semantic-router, best",
    "semantic_router_base": "semantic-router, best, all-MiniLM-L6-v2",
    "logistic_regression": "logistic regression",
}
"""The methods' names in tables, in their order."""

SETTINGS = ("zero_shot", "trained")

_BEGIN = "<!-- begin generated: {name} -->"
_END = "<!-- end generated: {name} -->"

Results = Mapping[str, Mapping[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m benchmarks tables`."""
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a drift")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of result files")
    parser.add_argument("--readme", type=Path, default=README, help="the file to fill")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    blocks = generate(arguments.results)
    pages = {arguments.readme: blocks}
    if arguments.readme == README:
        for page, names in (
            (FRONT_PAGE, FRONT_BLOCKS),
            (MODEL_CARD, MODEL_BLOCKS),
            (DATA_CARD, DATA_BLOCKS),
        ):
            pages[page] = {name: blocks[name] for name in names}
    drifted = False
    for page, content in pages.items():
        text = page.read_text(encoding="utf-8")
        filled = fill(text, content)
        if filled == text:
            continue
        if arguments.check:
            print(
                f"{page}: its tables differ from the results; run: python -m benchmarks tables",
                file=sys.stderr,
            )
            drifted = True
        else:
            page.write_text(filled, encoding="utf-8")
    return int(drifted)


def fill(text: str, blocks: Mapping[str, str]) -> str:
    """Replace what stands between the markers of each block.

    Args:
        text: A text with markers.
        blocks: The new content by the block's name.

    Returns:
        The text with new content.

    Raises:
        ValueError: A block's markers are missing, or twice there.
    """
    for name, content in blocks.items():
        begin, end = _BEGIN.format(name=name), _END.format(name=name)
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the markers of {name!r} must stand in the text once")
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n{content}\n{end}{after}"
    return text


def generate(folder: Path) -> dict[str, str]:
    """Make every generated block of README.md.

    Args:
        folder: The result files.

    Returns:
        The content by the block's name.
    """
    results = load_results(folder)
    blocks = {}
    for setting in SETTINGS:
        blocks[setting] = headline_table(results, setting)
        blocks[f"{setting}_rivals"] = rivals_sentence(results, setting)
        blocks[f"{setting}_details"] = details_table(results, setting)
    blocks["seconds"] = seconds_table(results)
    blocks["ablations"] = ablations_table(_read(folder / "ablations.json"))
    blocks["fusion"] = fusion_table(_read(folder / "fusion.json"))
    blocks["fusion_verdict"] = fusion_sentence(_read(folder / "fusion.json"))
    blocks["tuning"] = tuning_table(_read(folder / "tuning.json"))
    blocks["calibration"] = calibration_table(_read(folder / "calibration.json"))
    blocks["bars"] = bars_table(_read(folder / "calibration.json"))
    transfer = _read(folder / "transfer.json")
    blocks["transfer"] = transfer_table(transfer)
    blocks["transfer_verdict"] = transfer_sentence(transfer)
    blocks["trained_on"] = trained_on_table(transfer)
    blocks["intents"] = intents_table(transfer)
    blocks["training"] = training_sentence(transfer)
    team = _read(folder / "team.json")
    blocks["team"] = team_table(team)
    blocks["team_verdict"] = team_sentence(team)
    blocks["provenance"] = provenance(results)
    return blocks


def load_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the result files of sets, in the order of `SET_NAMES`."""
    found = {name: _read(folder / f"{name}.json") for name in SET_NAMES}
    return {name: result for name, result in found.items() if result is not None}


def _read(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def values(results: Results, setting: str, metric: str) -> dict[str, dict[str, float]]:
    """Return one metric by method and set, methods in the order of `LABELS`."""
    found: dict[str, dict[str, float]] = {}
    for method in LABELS:
        for name, result in results.items():
            measured = result["settings"].get(setting, {}).get("methods", {}).get(method)
            if measured is not None:
                found.setdefault(method, {})[name] = measured["metrics"][metric]["value"]
    return found


def macro(row: Mapping[str, float], sets: Sequence[str]) -> float | None:
    """Average over sets; None where one of them was not measured."""
    return sum(row[name] for name in sets) / len(sets) if all(n in row for n in sets) else None


def headline_table(results: Results, setting: str, metric: str = "accuracy@1") -> str:
    """Make the table of methods and sets, with the macro average; the best in bold."""
    rows = values(results, setting, metric)
    sets = [name for name in results if any(name in row for row in rows.values())]
    if not sets:
        return "Not measured yet."
    columns: list[dict[str, float | None]] = [
        {method: row.get(name) for method, row in rows.items()} for name in sets
    ]
    columns.append({method: macro(row, sets) for method, row in rows.items()})
    best = [max((v for v in column.values() if v is not None), default=None) for column in columns]
    heads = [f"{name} ({results[name]['agents']:,})" for name in sets]
    body = [
        [
            LABELS[method],
            *(
                _percent(column[method], column[method] == top)
                for column, top in zip(columns, best, strict=True)
            ),
        ]
        for method in rows
    ]
    return _table(["method", *heads, "macro"], body)


def _percent(value: float | None, bold: bool = False) -> str:
    if value is None:
        return ""
    return f"**{100 * value:.1f}**" if bold else f"{100 * value:.1f}"


def rivals_sentence(results: Results, setting: str) -> str:
    """Say who beats agentmatch, on which sets, by how much, and whether it could be chance.

    A difference is called clear where a 95 % interval of the paired difference, from
    the ranks of the same requests, leaves out 0.
    """
    rows = values(results, setting, "accuracy@1")
    ours = rows.get("agentmatch")
    if ours is None:
        return "Not measured yet."
    losses, clear_wins, comparisons = [], 0, 0
    for method, row in rows.items():
        if method == "agentmatch":
            continue
        for name, value in row.items():
            if name not in ours:
                continue
            comparisons += 1
            measured = results[name]["settings"][setting]["methods"]
            low, high = paired_interval(measured["agentmatch"]["ranks"], measured[method]["ranks"])
            clear_wins += low > 0
            if value > ours[name]:
                verdict = "clear" if high < 0 else "within chance"
                points = 100 * (value - ours[name])
                losses.append(f"{LABELS[method]} on {name} by {points:.1f} points ({verdict})")
    wins = f"agentmatch is clearly ahead in {clear_wins} of {comparisons} comparisons"
    if not losses:
        return f"No method beats agentmatch on any set; {wins}."
    return f"Ahead of agentmatch: {'; '.join(losses)}. Elsewhere it is level or ahead: {wins}."


def paired_interval(ours: str, theirs: str) -> tuple[float, float]:
    """Return the 95 % interval of the difference in accuracy@1, ours minus theirs.

    Args:
        ours: Ranks as a result file holds them.
        theirs: The ranks of the same requests by another method.

    Returns:
        The interval's ends, by the normal approximation over paired requests.
    """
    pairs = [
        ((a == "1") - (b == "1"))
        for a, b in zip(ours.split(), theirs.split(), strict=True)
        if a != "-"
    ]
    count = len(pairs)
    mean = sum(pairs) / count
    deviation = (sum((value - mean) ** 2 for value in pairs) / max(1, count - 1)) ** 0.5
    margin = 1.96 * deviation / count**0.5
    return mean - margin, mean + margin


def details_table(results: Results, setting: str) -> str:
    """Make the table of all metrics of agentmatch with intervals."""
    body = []
    for name, result in results.items():
        measured = result["settings"].get(setting, {}).get("methods", {}).get("agentmatch")
        if measured is None:
            continue
        metrics = measured["metrics"]
        accuracy = metrics["accuracy@1"]
        body.append(
            [
                name,
                f"{result['requests']:,} of {result['requests_available']:,}",
                f"{_percent(accuracy['value'])} "
                f"({_percent(accuracy['low'])} to {_percent(accuracy['high'])})",
                *(
                    _percent(metrics[metric]["value"])
                    for metric in ("recall@3", "recall@5", "mrr@10", "ndcg@10")
                ),
                "" if measured["auroc"] is None else f"{measured['auroc']:.3f}",
            ]
        )
    if not body:
        return "Not measured yet."
    heads = ["set", "requests", "accuracy@1 (95 %)", "recall@3", "recall@5", "MRR@10", "nDCG@10"]
    return _table([*heads, "AUROC"], body)


def seconds_table(results: Results) -> str:
    """Make the table of seconds: building and routing, with all vectors at hand."""
    body = []
    columns = [
        (name, setting)
        for setting in SETTINGS
        for name, result in results.items()
        if setting in result["settings"]
    ]
    for method, label in LABELS.items():
        cells = [
            results[name]["settings"][setting]["methods"].get(method, {}).get("seconds")
            for name, setting in columns
        ]
        if any(cell is not None for cell in cells):
            body.append([label, *("" if cell is None else f"{cell:.1f}" for cell in cells)])
    if not body:
        return "Not measured yet."
    heads = [name + (", trained" if setting == "trained" else "") for name, setting in columns]
    return _table(["method", *heads], body)


def ablations_table(document: Mapping[str, Any] | None) -> str:
    """Make the table of ablations: what each part is worth."""
    if document is None:
        return "Not measured yet."
    sets = document["sets"]
    body = [
        [
            row["variant"],
            *(_percent(row["accuracy@1"][name]) for name in sets),
            _percent(row["macro"]),
        ]
        for row in document["variants"]
    ]
    return _table(["variant", *sets, "macro"], body)


def fusion_table(document: Mapping[str, Any] | None) -> str:
    """Make the table of the weights' validation with one set left out at a time."""
    if document is None:
        return "Not measured yet."
    body = [
        [
            row["left_out"],
            f"{row['requests']:,}",
            _percent(row["equal"]["accuracy@1"]),
            _percent(row["shipped"]["accuracy@1"]),
            _percent(row["fitted"]["accuracy@1"]),
        ]
        for row in document["leave_one_set_out"]
    ]
    averages = document["macro"]
    body.append(
        [
            "macro",
            "",
            *(_percent(averages[k]["accuracy@1"]) for k in ("equal", "shipped", "fitted")),
        ]
    )
    heads = ["left-out set", "requests", "equal weights", "shipped weights", "fitted on the others"]
    return _table(heads, body)


def fusion_sentence(document: Mapping[str, Any] | None) -> str:
    """Say on how many left-out sets fitted weights beat the shipped ones, and by how much."""
    if document is None:
        return "Not measured yet."
    gains = [
        100 * (row["fitted"]["accuracy@1"] - row["shipped"]["accuracy@1"])
        for row in document["leave_one_set_out"]
    ]
    ahead, behind = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    return (
        f"On sets that they were not fitted on, fitted weights are ahead of the shipped ones on "
        f"{ahead} of {len(gains)} and behind on {behind}, by {min(gains):+.1f} to "
        f"{max(gains):+.1f} points."
    )


def transfer_table(document: Mapping[str, Any] | None) -> str:
    """Make the table of sets routed with the base encoder, one that never saw them, and ours."""
    if document is None:
        return "Not measured yet."
    body = [
        [
            row["set"],
            f"{row['requests']:,}",
            row["left_out"] or "nothing",
            *(_percent(row["accuracy@1"][kind]) for kind in ("base", "left_out")),
            f"{_points(row['gain']['value'])} ({_points(row['gain']['low'])} to "
            f"{_points(row['gain']['high'])})",
            _percent(row["accuracy@1"]["shipped"]),
        ]
        for row in document["sets"]
    ]
    macro_row = document["macro"]
    gain = macro_row["left_out"] - macro_row["base"]
    body.append(
        [
            "macro",
            "",
            "",
            *(_percent(macro_row[kind]) for kind in ("base", "left_out")),
            _points(gain),
            _percent(macro_row["shipped"]),
        ]
    )
    heads = ["set", "requests", "left out", "all-MiniLM-L6-v2", "trained without it"]
    return _table([*heads, "gain (95 %)", "shipped"], body)


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def transfer_sentence(document: Mapping[str, Any] | None) -> str:
    """Say what the training brings to sets that it left out, and to other languages."""
    if document is None:
        return "Not measured yet."
    gains = {row["set"]: row["gain"]["value"] for row in document["sets"]}
    worst = min(gains, key=lambda name: gains[name])
    macro_row = document["macro"]
    sentence = (
        f"Trained without a set's kind, the encoder brings "
        f"{_points(macro_row['left_out'] - macro_row['base'])} points of macro accuracy@1; the "
        f"least on {worst}: {_points(gains[worst])}."
    )
    for row in document["sets"]:
        found = row.get("other_languages")
        if found:
            sentence += (
                f" Of the {found['requests']} test requests of {row['set']} in other languages, "
                f"{_percent(found['base'])} % reach the right agent with all-MiniLM-L6-v2, "
                f"{_percent(found['left_out'])} % with the encoder that was trained without the "
                f"set, {_percent(found['shipped'])} % with the shipped one."
            )
    return sentence


def trained_on_table(document: Mapping[str, Any] | None) -> str:
    """Make the table of what the shipped encoder was trained on."""
    if document is None:
        return "Not measured yet."
    rows = document["trained_on"]
    counts = ("agents", "requests", "lines", "none", "dropped")
    body = [[row["source"], row["licence"], *(f"{row[name]:,}" for name in counts)] for row in rows]
    body.append(["all", "", *(f"{sum(row[name] for row in rows):,}" for name in counts)])
    heads = ["source", "licence", "agents", "requests", "lines of agents", "no agent fits"]
    return _table([*heads, "dropped, like a test request"], body)


def training_sentence(document: Mapping[str, Any] | None) -> str:
    """Say how long each encoder was trained, and which weights were kept."""
    if document is None:
        return "Not measured yet."
    parts = [
        f"{name}: {report['steps']} steps of {report['batch_size']} pairs, kept after step "
        f"{report['kept']}"
        for name, report in document["trainings"].items()
    ]
    return f"Trainings: {'; '.join(parts)}."


def intents_table(document: Mapping[str, Any] | None) -> str:
    """Make the table of what is left of plain similarity."""
    if document is None:
        return "Not measured yet."
    body = [
        [
            row["set"],
            f"{row['requests']:,}",
            *(
                _percent(row[kind][measure])
                for measure in ("by_name", "nearest_is_of_same_intent")
                for kind in ("base", "shipped")
            ),
        ]
        for row in document["intents"]
    ]
    heads = [
        "set",
        "requests",
        "intent by its name, all-MiniLM-L6-v2",
        "shipped",
        "nearest request has the same intent, all-MiniLM-L6-v2",
        "shipped",
    ]
    return _table(heads, body)


def calibration_table(document: Mapping[str, Any] | None) -> str:
    """Make the table of how confidences fare on sets that they were not fitted on."""
    if document is None:
        return "Not measured yet."

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    body = [
        [
            row["left_out"],
            row["splits"],
            f"{row['requests']:,}",
            str(row["none"]),
            number(row.get("auroc_none")),
            number(row.get("fpr@95tpr")),
            _percent(row.get("none_recall")),
            _percent(row["in_scope_refused"]),
            number(row["accuracy"]),
            number(row["mean_confidence"]),
            number(row["ece"]),
            number(row["brier"]),
        ]
        for row in document["left_out"]
    ]
    heads = [
        "left-out set",
        "splits",
        "requests",
        "none fits",
        "AUROC none",
        "FPR@95TPR",
        "none refused",
        "others refused",
        "accuracy@1",
        "mean confidence",
        "ECE",
        "Brier",
    ]
    return _table(heads, body)


def bars_table(document: Mapping[str, Any] | None) -> str:
    """Make the table of what each bar costs and brings on train and dev requests."""
    if document is None:
        return "Not measured yet."
    sets = list(document["bars"][0]["none_recall"])
    chosen = document["fitted"]["max_none"]
    body = [
        [
            f"**{row['max_none']:.2f}**" if row["max_none"] == chosen else f"{row['max_none']:.2f}",
            _percent(max(row["right_refused"].values())),
            *(
                f"{_percent(row['none_recall'][name])} / {_percent(row['in_scope_refused'][name])}"
                for name in sets
            ),
        ]
        for row in document["bars"]
    ]
    return _table(["bar", "right ones refused, worst set", *sets], body)


TEAM_COLUMNS = {
    "set_precision": "precision",
    "set_recall": "recall",
    "set_f1": "F1",
    "exact_set": "exact set",
    "one_agent": "one agent",
}
"""The metrics of sets, with their heads."""


def team_table(document: Mapping[str, Any] | None) -> str:
    """Make the table of teams and of rankings cut after k agents; F1 with its interval."""
    if document is None:
        return "Not measured yet."
    body = []
    for group, result in document["test"].items():
        best = max(row["set_f1"]["value"] for row in result["methods"].values())
        for method, row in result["methods"].items():
            if method == "top k, k of the group" and result["group_k"] == result["one_k"]:
                continue
            label = {
                "team": "team",
                "top k, one k for all": f"top {result['one_k']}",
                "top k, k of the group": f"top {result['group_k']}, k of the group",
            }[method]
            cells = [_percent(row[name]["value"]) for name in TEAM_COLUMNS]
            interval = row["set_f1"]
            cells[2] = (
                f"{_percent(interval['value'], interval['value'] == best)} "
                f"({_percent(interval['low'])} to {_percent(interval['high'])})"
            )
            body.append([f"{group} ({result['requests']})", label, *cells])
    return _table(["requests", "proposed", *TEAM_COLUMNS.values()], body)


def team_sentence(document: Mapping[str, Any] | None) -> str:
    """Say where teams beat a fixed number of agents in F1 and where they do not."""
    if document is None:
        return "Not measured yet."
    sentences = []
    for rival, what in (
        ("top k, one k for all", "the one k that is best on all train and dev requests"),
        ("top k, k of the group", "the k that is best for the group, where it is another"),
    ):
        parts = []
        for group, result in document["test"].items():
            if rival == "top k, k of the group" and result["group_k"] == result["one_k"]:
                continue
            gain = result["gains"][rival]
            clear = gain["low"] > 0 or gain["high"] < 0
            parts.append(
                f"{group} {100 * gain['value']:+.1f} ({'clear' if clear else 'within chance'}; "
                f"better for {gain['won']}, worse for {gain['lost']})"
            )
        if parts:
            sentences.append(f"Points of F1 against {what}: {'; '.join(parts)}.")
    behind = [
        f"{group} by {100 * (rival['exact_set']['value'] - ours['exact_set']['value']):.1f}"
        for group, result in document["test"].items()
        for name, rival in result["methods"].items()
        if name == "top k, k of the group"
        and rival["exact_set"]["value"] > (ours := result["methods"]["team"])["exact_set"]["value"]
    ]
    if behind:
        sentences.append(
            "In exact sets, the k of the group is ahead of teams on "
            + "; ".join(behind)
            + " points."
        )
    return "\n\n".join(sentences)


def provenance(results: Results) -> str:
    """Say with which versions and on what machines the figures were measured."""
    if not results:
        return "Not measured yet."
    found: dict[str, None] = {}
    for result in results.values():
        packages = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
        machine = result["machine"]
        found[
            f"{packages}; encoder {result['encoder']['name']} "
            f"(fingerprint {result['encoder']['fingerprint'][:12]}); {machine['processor']}, "
            f"{machine['cores']} cores, {machine['threads']} threads, {machine['system']}."
        ] = None
    return "\n\n".join(found)


def _table(heads: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    lines += [f"| {' | '.join(row)} |" for row in body]
    return "\n".join(lines)
