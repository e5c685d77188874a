"""Fine-tune the encoder of a catalogue on labelled requests, and keep it if it is better.

The encoder learns from the labelled requests and from those lines of the agents that read
like requests. Whether it routes better is measured on requests that it has not seen, by
what both encoders answer without anything else that was learned.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmatch.encoders import load_encoder
from agentmatch.encoders.bert_model import read_bert_model
from agentmatch.encoders.models import find_model
from agentmatch.errors import InvalidRequestError, ModelError, UnsupportedModelError
from agentmatch.evaluation.request_sets import LabelledRequest, require_known_agents
from agentmatch.index import Progress
from agentmatch.requests import prepare_request
from agentmatch.training.contrastive import TrainingSettings, train_encoder
from agentmatch.training.pairs import capped, line_pairs, request_pairs, text_hash
from agentmatch.training.views import TrainingSet

if TYPE_CHECKING:
    from agentmatch.encoders import Encoder
    from agentmatch.matcher import AgentMatcher

HELD_OUT = 5
"""Without dev requests, one request in so many is held out to judge the encoder by."""

PASSES = 8
"""How often each pair is shown, on average."""

LEAST_STEPS = 40
"""Fewer steps change little, however few the requests are."""

MOST_STEPS = 1000
"""More are not worth the time; pairs of a very large catalogue are shown less often."""


@dataclass(frozen=True, slots=True)
class FineTuningReport:
    """Say what an encoder learned from and whether it routes better.

    Attributes:
        model: The model that it started from.
        folder: The folder of the new one; it is there only where that is `better`.
        requests: Labelled requests that it learned from.
        lines: Lines of agents that it learned from.
        steps: Batches that it saw.
        judged: Requests that it did not learn from, each with an agent that fits.
        before: Share of these whose first agent is right with the former encoder.
        after: The same with the new one; both without a tuned head.
        seconds: How long it took.
    """

    model: str
    folder: str
    requests: int
    lines: int
    steps: int
    judged: int
    before: float
    after: float
    seconds: float

    @property
    def better(self) -> bool:
        """Tell whether the new encoder puts the right agent first more often."""
        return self.after > self.before

    def to_json(self) -> Mapping[str, Any]:
        """Return the report as JSON values."""
        return {**asdict(self), "better": self.better}


def fine_tune(
    matcher: AgentMatcher,
    requests: Sequence[LabelledRequest],
    folder: Path | str,
    dev: Sequence[LabelledRequest] | None = None,
    *,
    settings: TrainingSettings | None = None,
    progress: Progress | None = None,
) -> tuple[AgentMatcher, FineTuningReport]:
    """Fine-tune a matcher's encoder on labelled requests, and keep it if it is better.

    Takes about a second a step on two cores, and uses a GPU where torch finds one. For a
    head on top, give `AgentMatcher.tune` the same requests and `dev`: those that the
    encoder has learned from say too much good of a head.

    Args:
        matcher: A matcher whose encoder is a model of the BERT family; it is not changed.
        requests: Labelled requests to learn from. Those without agents say what no
            agent fits.
        folder: A new or empty folder for the new encoder, which sentence-transformers
            can read.
        dev: Further requests, by which the encoders are compared; where there are none,
            those that `hold_out` holds out of `requests`.
        settings: The numbers of the training; the steps are those of `steps_for` where
            none are given.
        progress: Called with the steps done so far and their number, then with the texts
            encoded so far and theirs.

    Returns:
        Where the new encoder is better, a matcher over the same agents that uses it,
        without a head; else the matcher that was given, and no folder. And the report.

    Raises:
        UnsupportedModelError: The encoder is none that can be trained.
        ModelError: The folder is not empty.
        UnknownAgentError: A label is no agent of the catalogue.
        InvalidRequestError: A request is empty, or no request has an agent.
    """
    start = time.perf_counter()
    output = Path(folder).resolve()
    base = _trainable(matcher.encoder)
    _require_empty(output)
    if dev is None:
        requests, dev = hold_out(requests)
    requests, dev = _checked(matcher, requests), _checked(matcher, dev)
    judged = [request for request in dev if request.agents]
    if not judged:
        raise InvalidRequestError("no request to judge by has an agent; label more requests")
    training = training_set(matcher, requests)
    settings = settings or TrainingSettings(steps=steps_for(training))
    try:
        train_encoder(base, [training], output, settings, progress=progress)
        trained = matcher.with_encoder(load_encoder(str(output)), progress=progress)
        report = FineTuningReport(
            model=matcher.encoder.name,
            folder=str(output),
            requests=len(requests),
            lines=sum(pair.is_line for pair in training.pairs),
            steps=settings.steps,
            judged=len(judged),
            before=_accuracy(matcher, judged),
            after=_accuracy(trained, judged),
            seconds=time.perf_counter() - start,
        )
    except BaseException:
        shutil.rmtree(output, ignore_errors=True)
        raise
    if report.better:
        return trained, report
    shutil.rmtree(output)
    return matcher, report


def hold_out(
    requests: Sequence[LabelledRequest],
) -> tuple[list[LabelledRequest], list[LabelledRequest]]:
    """Split off every fifth request, evenly over the agents.

    Args:
        requests: Labelled requests.

    Returns:
        Those to learn from and those that were held out; always the same, and a text
        that stands there twice is on one side.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for request in requests:
        labels.setdefault(_key(request), request.agents)
    spread = sorted(labels, key=lambda text: (labels[text], text_hash(text)))
    held = frozenset(spread[HELD_OUT // 2 :: HELD_OUT])
    return (
        [request for request in requests if _key(request) not in held],
        [request for request in requests if _key(request) in held],
    )


def training_set(matcher: AgentMatcher, requests: Sequence[LabelledRequest]) -> TrainingSet:
    """Make the pairs that an encoder is fine-tuned on.

    Args:
        matcher: A matcher over the agents.
        requests: Labelled requests of these agents.

    Returns:
        The pairs of the requests, and of the agents' lines; requests that no agent fits.

    Raises:
        InvalidRequestError: No request has an agent.
    """
    agents = tuple(matcher.agents)
    pairs = request_pairs(agents, requests)
    if not pairs:
        raise InvalidRequestError("no labelled request has an agent, so nothing can be learned")
    none = tuple(request.text for request in requests if not request.agents)
    return TrainingSet("catalogue", agents, (*pairs, *capped(line_pairs(agents))), none)


def steps_for(training: TrainingSet, batch_size: int = TrainingSettings.batch_size) -> int:
    """Choose the number of steps: each pair is shown some eight times.

    A batch holds each agent once at most, so catalogues of few agents take more steps.

    Args:
        training: The pairs.
        batch_size: Pairs of a batch at most.

    Returns:
        At least `LEAST_STEPS`, at most `MOST_STEPS`.
    """
    agents = len({pair.agents[0] for pair in training.pairs})
    wanted = math.ceil(PASSES * len(training.pairs) / min(batch_size, agents))
    return min(max(wanted, LEAST_STEPS), MOST_STEPS)


def _trainable(encoder: Encoder) -> Path:
    """Return the folder of an encoder's model if that can be trained."""
    from agentmatch.encoders.bert_encoder import BertEncoder

    if not isinstance(encoder, BertEncoder):
        raise UnsupportedModelError(
            encoder.name,
            "it cannot be fine-tuned; that needs a model of the BERT family, such as the "
            "default one, which agentmatch loads from a folder and runs without torch",
        )
    folder = find_model(encoder.name)
    model = read_bert_model(folder)
    if model.query_prompt or model.document_prompt:
        raise UnsupportedModelError(
            encoder.name, "it puts prompts before texts, so it cannot be fine-tuned here"
        )
    return folder


def _require_empty(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ModelError(
            str(folder),
            "is there already, and nothing is overwritten; give a new or empty folder for the "
            "new encoder",
        )


def _checked(matcher: AgentMatcher, requests: Sequence[LabelledRequest]) -> list[LabelledRequest]:
    """Return the requests as `match` reads them, or say what is wrong with one."""
    require_known_agents(requests, frozenset(agent.name for agent in matcher.agents))
    return [replace(request, text=prepare_request(request.text).text) for request in requests]


def _accuracy(matcher: AgentMatcher, requests: Sequence[LabelledRequest]) -> float:
    """Return the share of requests whose first agent is right, without a head."""
    names = [agent.name for agent in matcher.agents]
    texts = [request.text for request in requests]
    first = matcher.score(texts, matcher.signals(texts)).argmax(axis=1)
    right = sum(
        names[position] in request.agents for position, request in zip(first, requests, strict=True)
    )
    return right / len(requests)


def _key(request: LabelledRequest) -> str:
    return " ".join(request.text.casefold().split())
