"""Learn a head for a matcher's catalogue from labelled requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from agentmatch.errors import InvalidRequestError
from agentmatch.evaluation.request_sets import LabelledRequest, require_known_agents
from agentmatch.index import Progress
from agentmatch.tuning.examples import Answers, Examples
from agentmatch.tuning.fit import SEED, fit_head
from agentmatch.tuning.head import TunedHead
from agentmatch.tuning.report import TuningReport

if TYPE_CHECKING:
    from agentmatch.matcher import AgentMatcher


def learn(
    matcher: AgentMatcher,
    requests: Sequence[LabelledRequest],
    dev: Sequence[LabelledRequest] | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> tuple[TunedHead, TuningReport]:
    """Fit a head; see `AgentMatcher.tune`.

    Args:
        matcher: The matcher; it is not changed. Where it has a head and dev requests
            are given, the new head is compared with that one, else with none.
        requests: Labelled requests to learn from.
        dev: Labelled requests to fit weights on, and to judge by.
        seed: Draws folds and samples.
        progress: Called with the requests encoded so far and their number.

    Returns:
        The head and the report.

    Raises:
        UnknownAgentError: A label is no agent of the catalogue.
        InvalidRequestError: A request is empty, or no request has an agent.
    """
    names = [agent.name for agent in matcher.agents]
    for labelled in (requests, dev or ()):
        require_known_agents(labelled, names)
    if not any(request.agents for request in requests):
        raise InvalidRequestError("no labelled request has an agent, so nothing can be learned")
    former = matcher.head
    matcher.use_head(None)
    try:
        train = examples_of(matcher, requests, progress)
        # A former head may have learned from these very requests; only dev ones are fair.
        matcher.use_head(former if dev else None)
        judged = examples_of(matcher, dev, progress) if dev else None
    finally:
        matcher.use_head(former)
    return fit_head(
        names,
        train,
        judged,
        encoder_fingerprint=matcher.encoder.fingerprint,
        seed=SEED if seed is None else seed,
    )


def examples_of(
    matcher: AgentMatcher,
    requests: Sequence[LabelledRequest],
    progress: Progress | None = None,
) -> Examples:
    """Compute what a fit needs to know of labelled requests.

    Args:
        matcher: The matcher.
        requests: The requests.
        progress: Called with the requests encoded so far and their number.

    Returns:
        The requests as arrays, and how the matcher answers them.
    """
    positions = {agent.name: position for position, agent in enumerate(matcher.agents)}
    gold = np.zeros((len(requests), len(positions)), dtype=np.bool_)
    for row, request in enumerate(requests):
        gold[row, [positions[name] for name in request.agents]] = True
    seen = matcher.observe([request.text for request in requests], progress=progress)
    first = seen.scores.argmax(axis=1)
    return Examples(
        ids=[request.id for request in requests],
        texts=seen.texts,
        vectors=seen.vectors,
        fused=seen.fused,
        named=seen.named,
        gold=gold,
        before=Answers(
            first,
            seen.confidences[np.arange(len(first)), first],
            seen.none,
            seen.none > matcher.max_none,
        ),
    )
