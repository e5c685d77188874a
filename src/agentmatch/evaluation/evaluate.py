"""Ask a matcher labelled requests and measure its answers."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agentmatch.errors import InvalidRequestError
from agentmatch.evaluation.breakdown import by_agent, by_tag, confusions
from agentmatch.evaluation.metrics import (
    DEEPEST,
    RESAMPLES,
    Interval,
    auroc_with_interval,
    mean_metrics,
    percentiles,
)
from agentmatch.evaluation.request_sets import LabelledRequest, require_known_agents
from agentmatch.evaluation.runs import (
    RUN_FORMAT,
    Latency,
    RankedAgent,
    Run,
    RunEntry,
    RunKind,
    describe_machine,
)
from agentmatch.version import __version__

if TYPE_CHECKING:
    from agentmatch.matcher import AgentMatcher

Progress = Callable[[int, int], None]
"""Called with the number of requests answered so far and their number."""


def evaluate(
    matcher: AgentMatcher,
    requests: Sequence[LabelledRequest],
    *,
    top_k: int = DEEPEST,
    team: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    request_set: str = "",
) -> Run:
    """Answer labelled requests one by one and measure the answers.

    Each request is encoded and ranked by itself, so that its latency is what a user
    would wait for. A request that cannot be answered counts 0 in every metric.

    Args:
        matcher: The matcher.
        requests: Labelled requests with ids of their own.
        top_k: How many agents to keep for each request; at least ten are ranked, and as
            many as a request has right agents, because the metrics need them.
        team: Also ask for a team and score it against the set of right agents; latencies
            are then those of the team.
        seed: Chooses the bootstrap samples of the intervals.
        progress: Called as requests are answered.
        request_set: The file the requests come from, for the record.

    Returns:
        The run: every answer, metrics with intervals, and breakdowns.

    Raises:
        UnknownAgentError: A label is no agent of the catalogue; the message names all.
        InvalidRequestError: There is no request, two have one id, or `top_k` is less
            than 1.
    """
    check_options(requests, top_k)
    require_known_agents(
        requests, {agent.name for agent in matcher.agents}, request_set or "requests"
    )
    depth = ranking_depth(requests, top_k)
    _warm_up(matcher, requests)
    entries = []
    for number, request in enumerate(requests):
        if progress is not None:
            progress(number, len(requests))
        entries.append(_answer(matcher, request, depth, team))
    if progress is not None:
        progress(len(requests), len(requests))
    return make_run(matcher, requests, entries, "requests", depth, seed, request_set)


def check_options(requests: Sequence[LabelledRequest], top_k: int) -> None:
    """Refuse what no run can be made of.

    Raises:
        InvalidRequestError: There is no request, an id is empty or stands twice, or
            `top_k` is less than 1.
    """
    if top_k < 1:
        raise InvalidRequestError(f"top_k must be a whole number of 1 or more, not {top_k!r}")
    if not requests:
        raise InvalidRequestError("there is no request to evaluate")
    seen: set[str] = set()
    for request in requests:
        if not request.id or request.id in seen:
            raise InvalidRequestError(f"each request needs an id of its own: {request.id!r}")
        seen.add(request.id)


def ranking_depth(requests: Sequence[LabelledRequest], top_k: int) -> int:
    """Return how many agents to rank so that every metric can be computed."""
    return max(top_k, DEEPEST, *(len(request.agents) for request in requests))


def _warm_up(matcher: AgentMatcher, requests: Sequence[LabelledRequest]) -> None:
    """Load the model before the first latency is taken."""
    for request in requests:
        try:
            matcher.match(request.text, 1)
            return
        except InvalidRequestError:
            continue


def _answer(
    matcher: AgentMatcher, request: LabelledRequest, depth: int, with_team: bool
) -> RunEntry:
    members: tuple[str, ...] | None = () if with_team else None
    start = time.perf_counter()
    try:
        if with_team:
            members = tuple(member.agent.name for member in matcher.match_team(request.text))
            latency = (time.perf_counter() - start) * 1000
            result = matcher.match(request.text, depth)
        else:
            result = matcher.match(request.text, depth)
            latency = (time.perf_counter() - start) * 1000
    except InvalidRequestError as error:
        return RunEntry(
            request.id,
            request.text,
            request.agents,
            request.tags,
            error=str(error),
            team=members,
        )
    ranking = []
    for match in result:
        best = match.evidence[0] if match.evidence else None
        ranking.append(
            RankedAgent(match.agent.name, match.score)
            if best is None
            else RankedAgent(
                match.agent.name, match.score, best.section, best.text, best.similarity
            )
        )
    return RunEntry(
        request.id,
        request.text,
        request.agents,
        request.tags,
        tuple(ranking),
        round(latency, 3),
        team=members,
    )


def make_run(
    matcher: AgentMatcher,
    requests: Sequence[LabelledRequest],
    entries: Sequence[RunEntry],
    kind: RunKind,
    depth: int,
    seed: int,
    request_set: str = "",
) -> Run:
    """Measure answers and record them with all that shaped them.

    Args:
        matcher: The matcher that gave them.
        requests: The requests.
        entries: Their answers, in the same order.
        kind: How they were asked.
        depth: How many agents were ranked.
        seed: Chooses the bootstrap samples.
        request_set: The file the requests come from, or "".

    Returns:
        The run.
    """
    latencies = [entry.latency for entry in entries if entry.latency is not None]
    return Run(
        format=RUN_FORMAT,
        version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        kind=kind,
        settings={
            "depth": depth,
            "seed": seed,
            "resamples": RESAMPLES,
            "weights": dict(matcher.weights),
        },
        encoder=matcher.encoder.name,
        encoder_fingerprint=matcher.encoder.fingerprint,
        catalogue=str(matcher.catalogue_path or ""),
        catalogue_hash=_catalogue_hash(matcher),
        agents=len(matcher),
        request_set=request_set,
        requests_hash=_requests_hash(requests),
        split=", ".join(sorted({request.split for request in requests} - {""})),
        machine=describe_machine(),
        entries=tuple(entries),
        metrics=_measure(entries, seed),
        latency=Latency(*percentiles(latencies, [50, 95])) if latencies else None,
        by_agent=by_agent(entries),
        by_tag=by_tag(entries, seed=seed, resamples=RESAMPLES),
        confusions=confusions(entries),
    )


def _measure(entries: Sequence[RunEntry], seed: int) -> dict[str, Interval]:
    rows = [entry.metrics for entry in entries if entry.gold]
    metrics = mean_metrics(rows, seed=seed)
    top = [(entry.ranking[0].score, bool(entry.gold)) for entry in entries if entry.ranking]
    fitting = [score for score, in_scope in top if in_scope]
    other = [score for score, in_scope in top if not in_scope]
    if fitting and other:
        metrics["auroc"] = auroc_with_interval(fitting, other, seed)
    return metrics


def _catalogue_hash(matcher: AgentMatcher) -> str:
    index = matcher.index
    pairs = zip((agent.name for agent in index.agents), index.content_hashes, strict=True)
    return _digest(sorted(pairs))


def _requests_hash(requests: Sequence[LabelledRequest]) -> str:
    return _digest([[item.id, item.text, sorted(item.agents)] for item in requests])


def _digest(document: object) -> str:
    return hashlib.sha256(json.dumps(document).encode("ascii")).hexdigest()
