"""Say how requests are seen and answered, as arrays that a head is fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agentmatch.errors import InvalidRequestError
from agentmatch.index import ENCODE_BLOCK, Progress
from agentmatch.ranking import fuse
from agentmatch.requests import prepare_request
from agentmatch.scoring import Scorer
from agentmatch.tuning.head import Observations


def observe(
    scorer: Scorer, requests: Sequence[str], progress: Progress | None = None
) -> Observations:
    """Answer requests, all agents at once; see `AgentMatcher.observe`.

    Args:
        scorer: Scores the agents.
        requests: Free texts.
        progress: Called with the requests encoded so far and their number.

    Returns:
        The arrays behind the answers.

    Raises:
        InvalidRequestError: A request is empty, or there is none.
    """
    if not requests:
        raise InvalidRequestError("there is no request to observe")
    prepared = [prepare_request(request) for request in requests]
    parts = []
    for start in range(0, len(prepared), ENCODE_BLOCK):
        if progress is not None:
            progress(start, len(prepared))
        block = prepared[start : start + ENCODE_BLOCK]
        vectors = scorer.encode(block)
        signals = scorer.signals(block, vectors)[1]
        fused = fuse(signals, scorer.weights)
        parts.append((vectors, fused, *scorer.judge(block, vectors, signals)))
    if progress is not None:
        progress(len(prepared), len(prepared))
    vectors, fused, scores, confidences, none = map(np.concatenate, zip(*parts, strict=True))
    return Observations(
        texts=tuple(item.text for item in prepared),
        vectors=vectors,
        fused=fused,
        named=scorer.named(prepared),
        scores=scores,
        confidences=confidences,
        none=none,
    )
