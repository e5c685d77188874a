"""Put a run into the words and rows that both reports show. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agentmatch.evaluation.metrics import DEEPEST, Interval, mean_with_interval
from agentmatch.evaluation.runs import AgentBreakdown, Run

SHOWN_AGENTS = 15
"""Weakest agents in a report."""

SHOWN_PAIRS = 40
"""Confused pairs whose requests a report lists."""

SHOWN_REQUESTS = 10
"""Requests listed for one pair."""

SHOWN_CHARACTERS = 500
"""Longer texts are cut; the run file holds them whole."""


def title(run: Run) -> str:
    """Return the headline of a report."""
    return "Leave-one-out evaluation" if run.kind == "leave-one-out" else "Routing evaluation"


def verdict(run: Run) -> str:
    """Say in a sentence or two how well requests are routed."""
    what = "requests"
    if run.kind == "leave-one-out":
        what = "example tasks, each asked while its agent does without it,"
    sentences = []
    if run.n:
        first, five = run.metrics["accuracy@1"].value, run.metrics["success@5"].value
        sentences.append(
            f"Of {run.n:,} {what} {percent(first)} reached a right agent first, and "
            f"{percent(five)} had one among the first five."
        )
    if run.out_of_scope:
        sentences.append(f"Left out of these figures, because no agent fits: {run.out_of_scope:,}.")
        recall = run.metrics.get("none_recall")
        if recall is not None:
            sentences.append(f"Of these {percent(recall.value)} were refused.")
    if run.failed:
        sentences.append(f"Could not be answered, and count 0: {run.failed:,}.")
    return " ".join(sentences)


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{share * 100:.1f} %"


def share(value: float | None) -> str:
    """Return a share with two decimals, or a dash."""
    return "\u2013" if value is None else f"{value:.2f}"


def cut(text: str) -> str:
    """Return a text on one line, cut where it is very long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN_CHARACTERS else flat[: SHOWN_CHARACTERS - 1] + "\u2026"


def weakest_agents(run: Run) -> Sequence[AgentBreakdown]:
    """Return the agents that miss requests, weakest first."""
    missing = [agent for agent in run.by_agent if agent.recall is not None and agent.recall < 1]
    return missing[:SHOWN_AGENTS]


def settings(run: Run) -> list[tuple[str, str]]:
    """Return what a reader needs to repeat a run, as names and values."""
    weights = ", ".join(f"{name} {value:g}" for name, value in run.settings["weights"].items())
    return [
        ("Made", f"{run.created} by agentmatch {run.version}"),
        ("Catalogue", f"{run.catalogue or 'records'} ({run.agents:,} agents)"),
        ("Catalogue hash", run.catalogue_hash),
        ("Requests", run.request_set or ("example tasks" if run.kind != "requests" else "records")),
        ("Requests hash", run.requests_hash),
        ("Split", run.split or "all"),
        ("Encoder", run.encoder),
        ("Encoder fingerprint", run.encoder_fingerprint),
        ("Ranking depth", str(run.settings["depth"])),
        ("Refused", _bar(run)),
        ("Signal weights", weights),
        (
            "Intervals",
            f"95 %, {run.settings['resamples']:,} bootstrap samples over requests, "
            f"seed {run.settings['seed']}",
        ),
        ("Machine", ", ".join(f"{name} {value}" for name, value in run.machine.items())),
    ]


def _bar(run: Run) -> str:
    """Say which answers count as refused."""
    if run.kind == "leave-one-out":
        return "nothing"
    bar = run.settings["min_confidence"]
    if bar is not None:
        return f"agents of a confidence below {bar:g}"
    limit = run.settings["calibration"]["max_none"]
    return f"requests that no agent fits with a confidence above {limit:g}"


def recall_curve(run: Run) -> list[Interval]:
    """Return recall@k with its interval for k = 1 to 10; empty where nothing is in scope."""
    judged = [entry for entry in run.entries if entry.gold]
    if not judged:
        return []
    return [
        mean_with_interval(
            [
                len(set(entry.names[:k]) & set(entry.gold)) / len(set(entry.gold))
                for entry in judged
            ],
            run.settings["seed"],
            run.settings["resamples"],
        )
        for k in range(1, DEEPEST + 1)
    ]


def top_scores(run: Run) -> dict[str, list[float]]:
    """Return the score of the first agent of each answer, by whether it was right."""
    kinds: dict[str, list[float]] = {"right": [], "wrong": [], "no agent fits": []}
    for entry in run.entries:
        if entry.ranking:
            kind = "no agent fits" if not entry.gold else "right" if entry.correct else "wrong"
            kinds[kind].append(entry.ranking[0].score)
    return {kind: scores for kind, scores in kinds.items() if scores}


def first_confidences(run: Run) -> tuple[list[float], list[bool]]:
    """Return the confidence of the first agent of each answer, and whether it is right."""
    judged = [
        (entry.ranking[0].confidence, entry.correct)
        for entry in run.entries
        if entry.ranking and entry.ranking[0].confidence is not None
    ]
    return [confidence for confidence, _ in judged], [right for _, right in judged]


def confused_agents(run: Run, limit: int) -> tuple[list[str], dict[tuple[str, str], int]]:
    """Return the agents most often confused, and how often each got another's requests.

    Args:
        run: The run.
        limit: How many agents at most.

    Returns:
        The agents' names, and counts by (asked for, came first); right answers stand
        under an agent and itself.
    """
    names: dict[str, None] = {}
    for pair in run.confusions:
        wanted = {pair.asked, pair.got} - names.keys()
        if len(names) + len(wanted) <= limit:
            names.update(dict.fromkeys((pair.asked, pair.got)))
    counts = {
        (pair.asked, pair.got): pair.count
        for pair in run.confusions
        if pair.asked in names and pair.got in names
    }
    for entry in run.entries:
        if entry.correct and entry.names[0] in names:
            key = (entry.names[0], entry.names[0])
            counts[key] = counts.get(key, 0) + 1
    return list(names), counts
