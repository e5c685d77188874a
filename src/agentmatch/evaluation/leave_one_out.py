"""Ask each example task of a catalogue as a request while its agent does without it.

Example tasks are the nearest thing to labelled requests that every catalogue has. Asked
as they stand they would find themselves, so each is held out in turn. Nothing is
rebuilt: every example is encoded once as a request, every shortened whole text once as
a passage, and only what the missing line touches is computed again. The numbers equal
those of an index built without the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agentmatch.errors import CatalogueError, InvalidRequestError
from agentmatch.evaluation.evaluate import Progress, check_options, make_run
from agentmatch.evaluation.metrics import DEEPEST
from agentmatch.evaluation.request_sets import LabelledRequest, sample
from agentmatch.evaluation.runs import RankedAgent, Run, RunEntry
from agentmatch.evaluation.word_counts import WordCounts
from agentmatch.index import encode_passages, layout_of
from agentmatch.passages import (
    DESCRIPTION,
    EVIDENCE_SECTIONS,
    NAME,
    WHOLE,
    passages_of,
    whole_terms,
)
from agentmatch.ranking import Scores, dense_signals, lexical_signal, order
from agentmatch.requests import prepare_request
from agentmatch.types import Agent, Passage

if TYPE_CHECKING:
    from agentmatch.matcher import AgentMatcher

EXAMPLES = "example_tasks"

_LIST_SECTIONS = tuple(section for section in EVIDENCE_SECTIONS if section != DESCRIPTION)

_BLOCK = 64
"""Requests scored at a time, which bounds the memory that their scores take."""


@dataclass(frozen=True)
class HeldOut:
    """Hold one example task and its agent without it.

    Attributes:
        request: The example as a request.
        position: The agent's position in the index.
        agent: The agent without the example.
        passages: That agent's passages.
    """

    request: LabelledRequest
    position: int
    agent: Agent
    passages: tuple[Passage, ...]


def leave_one_out(
    matcher: AgentMatcher,
    *,
    top_k: int = DEEPEST,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Run:
    """Ask each example task as a request that its own agent has never seen.

    What is held out: every line of the agent, in whatever list, that equals the example;
    the agent's whole text and its words are taken without those lines, and with them the
    document frequencies and mean length of BM25. What stays: the description, all other
    lines, all other agents. The same example under another agent stays too, and takes
    the request: such theft is what the run is there to show (`Run.stolen`).

    Args:
        matcher: The matcher.
        top_k: How many agents to keep for each example, ten at least.
        limit: Ask at most this many examples, drawn at random.
        seed: Chooses which, and the bootstrap samples of the intervals.
        progress: Called with the shortened texts encoded so far and their number.

    Returns:
        The run; its requests are named after agent and example ("dba#2"), and none has a
        latency because they are encoded together.

    Raises:
        CatalogueError: No agent has an example task.
        InvalidRequestError: `limit` or `top_k` is less than 1.
    """
    if limit is not None and limit < 1:
        raise InvalidRequestError(f"the limit must be 1 or more, not {limit}")
    everything = {held.request.id: held for held in held_out_examples(matcher.agents)}
    if not everything:
        place = matcher.catalogue_path or "catalogue"
        raise CatalogueError(place, "no agent has example tasks that could be held out")
    requests = sample([held.request for held in everything.values()], limit, seed)
    check_options(requests, top_k)
    depth = max(top_k, DEEPEST)
    entries: dict[str, RunEntry] = {}
    readable = []
    for request in requests:
        try:
            prepare_request(request.text)
            readable.append(everything[request.id])
        except InvalidRequestError as error:
            entries[request.id] = RunEntry(
                request.id, request.text, request.agents, error=str(error)
            )
    for entry in _answers(matcher, readable, depth, progress):
        entries[entry.id] = entry
    ordered = [entries[request.id] for request in requests]
    return make_run(matcher, requests, ordered, "leave-one-out", depth, seed)


def held_out_examples(agents: Sequence[Agent]) -> Iterator[HeldOut]:
    """Yield each example task of each agent with the agent that is left without it.

    Args:
        agents: The agents.

    Yields:
        One record for each different example of an agent.
    """
    for position, agent in enumerate(agents):
        indexed = {passage.text for passage in passages_of(agent) if passage.section == EXAMPLES}
        seen: set[str] = set()
        for number, line in enumerate(agent.example_tasks, start=1):
            text = line.strip()
            if text not in indexed or text in seen:
                continue
            seen.add(text)
            left = _without(agent, text)
            request = LabelledRequest(f"{agent.name}#{number}", text, (agent.name,))
            yield HeldOut(request, position, left, passages_of(left))


def _without(agent: Agent, text: str) -> Agent:
    kept: dict[str, Any] = {
        section: tuple(line for line in getattr(agent, section) if line.strip() != text)
        for section in _LIST_SECTIONS
    }
    return replace(agent, **kept)


def _answers(
    matcher: AgentMatcher, examples: Sequence[HeldOut], depth: int, progress: Progress | None
) -> Iterator[RunEntry]:
    if not examples:
        return
    index = matcher.index
    words = WordCounts([whole_terms(agent) for agent in matcher.agents])
    vectors = matcher.encode([held.request.text for held in examples])
    whole_texts = [_whole_text(held.passages) for held in examples]
    whole_vectors = encode_passages(whole_texts, matcher.encoder, progress)
    for start in range(0, len(examples), _BLOCK):
        block = examples[start : start + _BLOCK]
        texts = [held.request.text for held in block]
        similarities = index.dense.similarities(vectors[start : start + _BLOCK])
        signals = dense_signals(similarities, index.layout)
        own = []
        for row, held in enumerate(block):
            whole = float(vectors[start + row] @ whole_vectors[start + row])
            own.append(_own_similarities(matcher, held, similarities[row], whole))
            changed = dense_signals(own[row][np.newaxis], layout_of([held.passages]))
            for name, values in changed.items():
                signals[name][row, held.position] = values[0, 0]
        prepared = [prepare_request(text).text for text in texts]
        signals["lexical_whole_text"] = lexical_signal(
            np.stack(
                [
                    words.scores(text, held.position, whole_terms(held.agent))
                    for text, held in zip(prepared, block, strict=True)
                ]
            )
        )
        signals["lexical_description"] = lexical_signal(index.lexical_description.scores(prepared))
        scores = matcher.score(texts, signals)
        for row, held in enumerate(block):
            yield _entry(matcher, held, scores[row], similarities[row], own[row], depth)


def _whole_text(passages: Sequence[Passage]) -> str:
    return next(passage.text for passage in passages if passage.section == WHOLE)


def _own_similarities(
    matcher: AgentMatcher, held: HeldOut, similarities: Scores, whole: float
) -> NDArray[np.float32]:
    """Return the similarities of the passages that an agent is left with."""
    index = matcher.index
    known = {
        (index.passages[row].section, index.passages[row].text): similarities[row]
        for row in index.rows(held.position)
    }
    return np.array(
        [
            np.clip(whole, -1, 1)
            if passage.section == WHOLE
            else known[passage.section, passage.text]
            for passage in held.passages
        ],
        dtype=np.float32,
    )


def _entry(
    matcher: AgentMatcher,
    held: HeldOut,
    scores: Scores,
    similarities: Scores,
    own: Scores,
    depth: int,
) -> RunEntry:
    index = matcher.index
    ranking = []
    for position in order(scores, index.names, depth):
        rows = index.rows(position)
        passages: Sequence[Passage] = index.passages[rows.start : rows.stop]
        near = similarities[rows.start : rows.stop]
        if position == held.position:
            passages, near = held.passages, own
        best = _best_passage(passages, near)
        ranking.append(
            RankedAgent(
                name=index.agents[position].name,
                score=round(float(scores[position]), 6),
                section=passages[best].section,
                evidence=passages[best].text,
                similarity=round(float(near[best]), 6),
            )
        )
    return RunEntry(held.request.id, held.request.text, held.request.agents, ranking=tuple(ranking))


def _best_passage(passages: Sequence[Passage], similarities: Scores) -> int:
    """Return the evidence passage nearest to the request, or else the name."""
    evidence = [
        number for number, passage in enumerate(passages) if passage.section not in (NAME, WHOLE)
    ]
    return min(evidence or [0], key=lambda number: (-round(float(similarities[number]), 6), number))
