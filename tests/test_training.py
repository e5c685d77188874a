"""Training an encoder: what is shown together, and what comes out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmatch import Agent, load_encoder
from agentmatch.training.batches import Batch, BatchSampler
from agentmatch.training.contrastive import STATE, TrainingSettings, train_encoder
from agentmatch.training.views import (
    BROAD_VIEWS,
    NARROW_VIEWS,
    TrainingPair,
    TrainingSet,
    restyle,
)
from conftest import HashingEncoder
from tiny_models import make_tiny_model

pytestmark = pytest.mark.usefixtures("one_torch_thread")

AGENTS = tuple(
    Agent(
        name=f"agent-{trade}",
        description=f"Knows all about {trade}.",
        when_to_use=(f"Some {trade} is broken", f"New {trade} is wanted"),
        example_tasks=(f"Please look at my {trade}",),
    )
    for trade in ("roof", "bread", "lawn", "boat", "piano", "clock")
)
TWIN = Agent(
    name="agent-roof-two",
    description=AGENTS[0].description,
    when_to_use=AGENTS[0].when_to_use,
    example_tasks=AGENTS[0].example_tasks,
)


def encode(texts: Sequence[str]) -> np.ndarray:
    return HashingEncoder().encode_documents(texts)


@given(st.text(min_size=1).filter(str.strip), st.integers(0, 1000))
def test_a_restyled_request_is_never_empty_and_always_the_same(text: str, seed: int) -> None:
    once = restyle(text, random.Random(seed))
    assert once.strip()
    assert once == restyle(text, random.Random(seed))


@pytest.mark.parametrize("view", [*BROAD_VIEWS, *NARROW_VIEWS])
def test_no_view_shows_the_line_that_asks(view: object) -> None:
    for agent in AGENTS:
        for line in (*agent.when_to_use, *agent.example_tasks, agent.description):
            for seed in range(5):
                shown = view(agent, line, random.Random(seed))  # type: ignore[operator]
                assert shown.strip()
                assert line not in shown


def sampler(pairs: Sequence[TrainingPair], none: Sequence[str] = ()) -> BatchSampler:
    training = TrainingSet("trades", (*AGENTS, TWIN), tuple(pairs), tuple(none))
    return BatchSampler([training], encode, size=8, seed=3)


def test_agents_that_one_request_fits_never_meet_in_a_batch() -> None:
    pairs = [TrainingPair(f"request {n} for {n % 6}", (n % 6,)) for n in range(24)]
    pairs += [TrainingPair("roof or bread", (0, 1)), TrainingPair("the twin's", (6,))]
    draw = sampler(pairs)
    together = set()
    for step in range(200):
        batch = draw(step)
        together |= {frozenset((a, b)) for a in batch.requests for b in batch.requests if a != b}
        if "roof or bread" in {text.lower() for text in batch.requests}:
            assert not any("for 1" in text or "for 0" in text for text in batch.requests)
        if any("twin" in text for text in batch.requests):
            assert not any("for 0" in text for text in batch.requests)
    assert len(together) > 100


def test_the_same_step_gives_the_same_batch_and_other_steps_others() -> None:
    pairs = [TrainingPair(f"request {n}", (n % 6,)) for n in range(60)]
    first, again = sampler(pairs, ["nobody's"]), sampler(pairs, ["nobody's"])
    batches = [first(step) for step in range(20)]
    assert batches == [again(step) for step in range(20)]
    assert len({batch.requests for batch in batches}) > 10
    for batch in batches:
        assert len(batch.requests) == 6
        assert [len(view) for view in batch.views] == [6, 6]
        assert len(batch.none) == 1


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("training") / "tiny")


SETTINGS = TrainingSettings(steps=30, batch_size=6, learning_rate=3e-3, check_every=10)


def trades() -> list[TrainingSet]:
    texts = ("my {} fell apart", "who can mend a {}?", "a {} for the house")
    pairs = [
        TrainingPair(text.format(agent.name.partition("-")[2]), (position,))
        for position, agent in enumerate(AGENTS)
        for text in texts
    ]
    lines = [
        TrainingPair(agent.when_to_use[0], (n,), is_line=True) for n, agent in enumerate(AGENTS)
    ]
    return [TrainingSet("trades", AGENTS, (*pairs, *lines), ("what is the time", "sing a song"))]


def right(folder: Path) -> float:
    encoder = load_encoder(str(folder))
    training = trades()[0]
    agents = encoder.encode_documents([agent.description for agent in training.agents])
    requests = encoder.encode_queries([pair.text for pair in training.pairs])
    best = (requests @ agents.T).argmax(axis=1)
    return float(np.mean(best == [pair.agents[0] for pair in training.pairs]))


def test_training_teaches_and_keeps_the_format(tiny: Path, tmp_path: Path) -> None:
    # More steps than elsewhere, and nothing of the weights that know nothing.
    longer = replace(SETTINGS, steps=200, original=0.0)
    train_encoder(tiny, trades(), tmp_path / "trained", longer)
    assert right(tmp_path / "trained") > right(tiny) + 0.2
    encoder = load_encoder(str(tmp_path / "trained"))
    oracle = load_encoder(str(tmp_path / "trained"), runtime="sentence-transformers")
    texts = ["mend the roof", "bake bread"]
    assert encoder.runtime.startswith("numpy")
    np.testing.assert_allclose(
        encoder.encode_queries(texts), oracle.encode_queries(texts), atol=1e-5
    )
    assert not (tmp_path / "trained" / STATE).exists()


class InterruptedTrainingError(Exception):
    pass


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_encoder(tiny, trades(), whole, SETTINGS)
    draw = BatchSampler.__call__

    def interrupt(self: BatchSampler, step: int) -> Batch:
        if step == 25:
            raise InterruptedTrainingError
        return draw(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(BatchSampler, "__call__", interrupt)
        with pytest.raises(InterruptedTrainingError):
            train_encoder(tiny, trades(), broken, SETTINGS)
    drawn = []
    monkeypatch.setattr(
        BatchSampler, "__call__", lambda self, step: drawn.append(step) or draw(self, step)
    )
    train_encoder(tiny, trades(), broken, SETTINGS)
    assert drawn == list(range(20, 30))
    texts = ["mend the roof", "bake bread", "the"]
    np.testing.assert_allclose(
        load_encoder(str(broken)).encode_queries(texts),
        load_encoder(str(whole)).encode_queries(texts),
        atol=1e-3,
    )


def test_the_weights_of_the_best_check_are_kept(tiny: Path, tmp_path: Path) -> None:
    import json

    values = iter([0.1, 0.5, 0.9, 0.2])
    output = tmp_path / "trained"
    train_encoder(tiny, trades(), output, SETTINGS, lambda _: {"dev": next(values)})
    report = json.loads((output / "training.json").read_text())
    assert report["kept"] == 20
    assert [check["mean"] for check in report["checks"]] == [0.1, 0.5, 0.9, 0.2]
