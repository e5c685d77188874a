"""Ask a matcher labelled requests and measure its answers."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agentmatch.errors import InvalidRequestError
from agentmatch.evaluation.abstention import abstention_metrics
from agentmatch.evaluation.breakdown import by_agent, by_tag, confusions
from agentmatch.evaluation.metrics import (
    DEEPEST,
    RESAMPLES,
    Interval,
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
    min_confidence: float | None = None,
    team: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    request_set: str = "",
) -> Run:
    """Answer labelled requests one by one and measure the answers.

    Each request is encoded and ranked by itself, so that its latency is what a user
    would wait for. A request that cannot be answered counts 0 in every metric. Ranking
    metrics see the whole ranking, also where the answer is that no agent fits; what
    refusals cost and bring is measured apart.

    Args:
        matcher: The matcher.
        requests: Labelled requests with ids of their own.
        top_k: How many agents to keep for each request; at least ten are ranked, and as
            many as a request has right agents, because the metrics need them.
        min_confidence: The bar of `AgentMatcher.match`; its default where left out.
        team: Also ask for a team and score it against the set of right agents; latencies
            are then those of the team.
        seed: Chooses the bootstrap samples of the intervals.
        progress: Called as requests are answered.
        request_set: The file the requests come from, for the record.

    Returns:
        The run: every answer, metrics with intervals, and breakdowns.

    Raises:
        UnknownAgentError: A label is no agent of the catalogue; the message names all.
        InvalidRequestError: There is no request, two have one id, `top_k` is less
            than 1, or `min_confidence` is not between 0 and 1.
    """
    check_options(requests, top_k)
    check_min_confidence(min_confidence)
    require_known_agents(
        requests, {agent.name for agent in matcher.agents}, request_set or "requests"
    )
    depth = ranking_depth(requests, top_k)
    _warm_up(matcher, requests)
    entries = []
    for number, request in enumerate(requests):
        if progress is not None:
            progress(number, len(requests))
        entries.append(_answer(matcher, request, depth, min_confidence, team))
    if progress is not None:
        progress(len(requests), len(requests))
    return make_run(
        matcher, requests, entries, "requests", depth, seed, request_set, min_confidence
    )


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


def check_min_confidence(min_confidence: float | None) -> None:
    """Refuse a bar that is no probability.

    Raises:
        InvalidRequestError: It is not between 0 and 1.
    """
    if min_confidence is not None and not 0 <= min_confidence <= 1:
        raise InvalidRequestError(f"min_confidence must be 0 to 1, not {min_confidence!r}")


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
    matcher: AgentMatcher,
    request: LabelledRequest,
    depth: int,
    min_confidence: float | None,
    with_team: bool,
) -> RunEntry:
    members: tuple[str, ...] | None = () if with_team else None
    latency = 0.0
    start = time.perf_counter()
    try:
        if with_team:
            members = tuple(member.agent.name for member in matcher.match_team(request.text))
            latency = (time.perf_counter() - start) * 1000
        result = matcher.match(request.text, depth, min_confidence=min_confidence)
        if not with_team:
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
    for match in result.ranking:
        agent = RankedAgent(match.agent.name, match.score, confidence=match.confidence)
        if match.evidence:
            best = match.evidence[0]
            agent = replace(
                agent, section=best.section, evidence=best.text, similarity=best.similarity
            )
        ranking.append(agent)
    return RunEntry(
        request.id,
        request.text,
        request.agents,
        request.tags,
        tuple(ranking),
        round(latency, 3),
        confidence_none=result.confidence_none,
        abstained=result.abstained,
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
    min_confidence: float | None = None,
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
        min_confidence: The bar they were asked with.

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
            "min_confidence": min_confidence,
            "calibration": matcher.calibration.to_json(),
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
    judged = [entry for entry in entries if entry.ranking and entry.confidence_none is not None]
    if judged:
        metrics |= abstention_metrics(
            fits=[bool(entry.gold) for entry in judged],
            right=[entry.correct for entry in judged],
            confidences=[entry.ranking[0].confidence or 0.0 for entry in judged],
            none=[entry.confidence_none or 0.0 for entry in judged],
            refused=[entry.abstained for entry in judged],
            seed=seed,
        )
    return metrics


def _catalogue_hash(matcher: AgentMatcher) -> str:
    index = matcher.index
    pairs = zip(index.names, index.content_hashes, strict=True)
    return _digest(sorted(pairs))


def _requests_hash(requests: Sequence[LabelledRequest]) -> str:
    return _digest([[item.id, item.text, sorted(item.agents)] for item in requests])


def _digest(document: object) -> str:
    return hashlib.sha256(json.dumps(document).encode("ascii")).hexdigest()
