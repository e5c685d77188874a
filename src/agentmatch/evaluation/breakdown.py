"""Break a run's answers down by agent, by tag and by pairs that were confused. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from agentmatch.evaluation.metrics import Interval, mean_metrics
from agentmatch.evaluation.runs import (
    AgentBreakdown,
    Confusion,
    Misrouted,
    RunEntry,
    TagBreakdown,
)

TAG_METRICS = ("accuracy@1", "recall@5", "mrr@10", "team_f1", "team_exact")
"""The metrics taken for each tag, as far as a run has them."""

_NEAR_TOP = 5


def by_agent(entries: Sequence[RunEntry]) -> tuple[AgentBreakdown, ...]:
    """Count, for each agent, the requests that should reach it and those that do.

    Args:
        entries: The answers; those to requests that no agent fits are left out.

    Returns:
        Every agent that is right for a request, or came first for one. Weakest first:
        by recall, then by the number of requests it missed, then by name; agents that
        no request asks for come last.
    """
    asked: dict[str, list[RunEntry]] = defaultdict(list)
    answered: dict[str, list[RunEntry]] = defaultdict(list)
    for entry in entries:
        if not entry.gold:
            continue
        for name in entry.gold:
            asked[name].append(entry)
        if entry.ranking:
            answered[entry.ranking[0].name].append(entry)

    def describe(name: str) -> AgentBreakdown:
        wanted, got = asked[name], answered[name]
        return AgentBreakdown(
            name=name,
            n=len(wanted),
            accuracy=_share([entry.correct for entry in wanted]),
            recall=_share([entry.names[:1] == [name] for entry in wanted]),
            recall_at_5=_share([name in entry.names[:_NEAR_TOP] for entry in wanted]),
            answered=len(got),
            precision=_share([name in entry.gold for entry in got]),
        )

    def weakness(agent: AgentBreakdown) -> tuple[float, float, str]:
        if agent.recall is None:
            return (2.0, 0.0, agent.name)
        return (agent.recall, -agent.n * (1 - agent.recall), agent.name)

    described = [describe(name) for name in sorted(asked.keys() | answered.keys())]
    return tuple(sorted(described, key=weakness))


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def by_tag(entries: Sequence[RunEntry], *, seed: int, resamples: int) -> tuple[TagBreakdown, ...]:
    """Average the metrics of each tag's requests.

    Args:
        entries: The answers.
        seed: Chooses the bootstrap samples.
        resamples: How many.

    Returns:
        One breakdown a tag, sorted by tag; empty where no request has a tag.
    """
    tagged: dict[str, list[RunEntry]] = defaultdict(list)
    for entry in entries:
        for tag in entry.tags:
            tagged[tag].append(entry)
    return tuple(
        _describe_tag(tag, group, seed, resamples) for tag, group in sorted(tagged.items())
    )


def _describe_tag(tag: str, entries: Sequence[RunEntry], seed: int, resamples: int) -> TagBreakdown:
    rows = []
    for entry in entries:
        if entry.gold:
            metrics = entry.metrics
            rows.append({name: metrics[name] for name in TAG_METRICS if name in metrics})
    means: dict[str, Interval] = mean_metrics(rows, seed=seed, resamples=resamples)
    return TagBreakdown(tag, len(rows), len(entries) - len(rows), means)


def confusions(entries: Sequence[RunEntry]) -> tuple[Confusion, ...]:
    """Collect the requests whose first agent is wrong, by right and wrong agent.

    Args:
        entries: The answers; those to requests that no agent fits are left out.

    Returns:
        The pairs, most requests first, then by name.
    """
    pairs: dict[tuple[str, str], list[Misrouted]] = defaultdict(list)
    for entry in entries:
        if not entry.gold or not entry.ranking or entry.correct:
            continue
        asked = next((name for name in entry.names if name in entry.gold), entry.gold[0])
        first = entry.ranking[0]
        pairs[asked, first.name].append(
            Misrouted(entry.id, entry.text, first.section, first.evidence, first.similarity)
        )
    return tuple(
        Confusion(asked, got, tuple(requests))
        for (asked, got), requests in sorted(
            pairs.items(), key=lambda item: (-len(item[1]), item[0])
        )
    )
