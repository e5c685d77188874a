"""Fine-tuning the encoder of a catalogue: from Python, and `agentmatch tune --encoder`."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from agentmatch import (
    Agent,
    AgentMatcher,
    InvalidRequestError,
    LabelledRequest,
    ModelError,
    UnknownAgentError,
    UnsupportedModelError,
    fine_tune,
    load_encoder,
)
from agentmatch.cli import main
from agentmatch.training import fine_tuning
from agentmatch.training.contrastive import TrainingSettings
from agentmatch.training.fine_tuning import (
    LEAST_STEPS,
    MOST_STEPS,
    hold_out,
    steps_for,
    training_set,
)
from agentmatch.training.views import TrainingPair, TrainingSet
from conftest import HashingEncoder
from tiny_models import make_tiny_model

pytestmark = pytest.mark.usefixtures("one_torch_thread")

# No request shares a whole word with its agent, so that only the encoder can tell.
ASKED = {
    "roof": ("rooftop", "roofbeam"),
    "bread": ("breadcrumb", "breadbin"),
    "lawn": ("lawnmower", "lawnseed"),
    "boat": ("boathouse", "boatyard"),
    "piano": ("pianoforte", "pianolid"),
    "clock": ("clockwork", "clockface"),
}
AGENTS = tuple(
    Agent(
        name=f"agent-{trade}",
        description=f"Knows all about {trade}.",
        when_to_use=(f"Some {trade} is broken", f"New {trade} is wanted"),
    )
    for trade in ASKED
)
TEXTS = ("my {} fell apart", "who can mend this {}?", "{} wanted soon", "one more {}")
QUICK = TrainingSettings(steps=40, batch_size=6, learning_rate=3e-3)


def requests(texts: tuple[str, ...], split: str = "") -> list[LabelledRequest]:
    return [
        LabelledRequest(f"{split}{trade}{word}{number}", text.format(word), (f"agent-{trade}",))
        for trade, words in ASKED.items()
        for word in words
        for number, text in enumerate(texts)
    ]


TRAIN, DEV = requests(TEXTS, "train"), requests(("the {} again", "a {}, please"), "dev")
NONE = LabelledRequest("none", "what is the time", ())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("fine-tuning") / "tiny")


@pytest.fixture
def matcher(tiny: Path) -> AgentMatcher:
    return AgentMatcher(AGENTS, encoder=load_encoder(str(tiny)))


@pytest.fixture
def no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a training end where it began."""

    def copy(base: Path, _sets: object, output: Path, *_: object, **__: object) -> None:
        shutil.copytree(base, output)

    monkeypatch.setattr(fine_tuning, "train_encoder", copy)


def test_a_better_encoder_is_kept(matcher: AgentMatcher, tmp_path: Path) -> None:
    seen = []
    new, report = fine_tune(
        matcher,
        [*TRAIN, NONE],
        tmp_path / "new",
        [*DEV, NONE],
        settings=QUICK,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert report.better
    assert report.after > report.before + 0.1
    assert (report.requests, report.lines, report.judged) == (49, 12, 24)
    assert seen[:2] == [(0, 40), (1, 40)]
    assert new.encoder.fingerprint == load_encoder(str(tmp_path / "new")).fingerprint
    assert new.encoder.fingerprint != matcher.encoder.fingerprint
    assert new.agents == matcher.agents
    right = [new.match(request.text, 1, min_confidence=0)[0].agent.name for request in DEV]
    share = sum(a == b.agents[0] for a, b in zip(right, DEV, strict=True)) / len(DEV)
    assert share == report.after
    oracle = load_encoder(str(tmp_path / "new"), runtime="sentence-transformers")
    texts = [request.text for request in DEV]
    assert oracle.encode_queries(texts) == pytest.approx(new.encode(texts), abs=1e-5)


def test_one_that_is_no_better_leaves_nothing_behind(
    matcher: AgentMatcher, tmp_path: Path, no_better: None
) -> None:
    same, report = fine_tune(matcher, TRAIN, tmp_path / "new", DEV)
    assert same is matcher
    assert not report.better
    assert report.before == report.after
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_training_leaves_nothing_behind(
    matcher: AgentMatcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_base: Path, _sets: object, output: Path, *_: object, **__: object) -> None:
        output.mkdir()
        (output / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(fine_tuning, "train_encoder", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(matcher, TRAIN, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_trained_is_refused_at_once(
    matcher: AgentMatcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tuning, "train_encoder", None)
    with pytest.raises(UnsupportedModelError, match=r"hashing.*BERT family"):
        fine_tune(AgentMatcher(AGENTS, encoder=HashingEncoder()), TRAIN, tmp_path / "new")
    prompted = make_tiny_model(tmp_path / "prompted", prompts={"query": "query: "})
    with pytest.raises(UnsupportedModelError, match="prompts"):
        fine_tune(matcher.with_encoder(load_encoder(str(prompted))), TRAIN, tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="nothing is overwritten"):
        fine_tune(matcher, TRAIN, tmp_path / "full")
    with pytest.raises(UnknownAgentError, match="agent-rof"):
        fine_tune(matcher, [LabelledRequest("1", "x", ("agent-rof",))], tmp_path / "new", DEV)
    for train, dev in (([NONE], DEV), (TRAIN, [NONE]), (TRAIN[:1], None)):
        with pytest.raises(InvalidRequestError, match="has an agent"):
            fine_tune(matcher, train, tmp_path / "new", dev)
    with pytest.raises(InvalidRequestError, match="empty"):
        fine_tune(matcher, [*TRAIN, replace(NONE, text="\u200b")], tmp_path / "new", DEV)
    assert not (tmp_path / "new").exists()


@given(
    st.lists(
        st.builds(
            LabelledRequest,
            st.just(""),
            st.sampled_from("abcdefghijklmnop"),
            st.sampled_from([("x",), ("y",), ()]),
        )
    )
)
def test_held_out_requests_are_a_fifth_and_nobody_learns_their_texts(
    given_requests: list[LabelledRequest],
) -> None:
    learned, held = hold_out(given_requests)
    assert hold_out(given_requests) == (learned, held)
    assert sorted([*learned, *held], key=repr) == sorted(given_requests, key=repr)
    texts = {request.text for request in held}
    assert not texts & {request.text for request in learned}
    assert abs(len(texts) - len({request.text for request in given_requests}) / 5) < 1


def test_every_agent_has_its_share_of_the_held_out_requests() -> None:
    held = hold_out(requests(tuple(f"{{}} {number}" for number in range(10))))[1]
    assert {name: sum(request.agents == (name,) for request in held) for name in names()} == (
        dict.fromkeys(names(), 4)
    )


def names() -> list[str]:
    return [agent.name for agent in AGENTS]


def test_steps_grow_with_the_pairs(matcher: AgentMatcher) -> None:
    def steps(pairs: int, agents: int) -> int:
        each = tuple(TrainingPair(str(n), (n % agents,)) for n in range(pairs))
        return steps_for(TrainingSet("", (), each))

    assert steps(10, 5) == LEAST_STEPS
    assert steps(6400, 100) == 800
    assert steps(640, 8) == 640
    assert steps(100_000, 100) == MOST_STEPS
    assert steps_for(training_set(matcher, TRAIN)) == 80


@pytest.fixture
def folder(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quick = partial(TrainingSettings, batch_size=6, learning_rate=3e-3)
    monkeypatch.setattr(fine_tuning, "TrainingSettings", quick)
    lines = [
        json.dumps({"id": agent.name, "name": agent.name, **_fields(agent)}) for agent in AGENTS
    ]
    (tmp_path / "agents.jsonl").write_text("\n".join(lines))
    split = [replace(request, split="train") for request in TRAIN]
    split += [replace(request, split="dev") for request in DEV]
    rows = [json.dumps(asdict(request)) for request in split]
    (tmp_path / "requests.jsonl").write_text("\n".join(rows))
    shutil.copytree(tiny, tmp_path / "tiny")
    return tmp_path


def _fields(agent: Agent) -> dict[str, object]:
    return {"description": agent.description, "when_to_use": agent.when_to_use}


def invoke(folder: Path, *more: str) -> Result:
    base = ("tune", "-a", "DIR/agents.jsonl", "-m", "DIR/tiny", "--requests", "DIR/requests.jsonl")
    arguments = (*base, "-o", "DIR/index", "--encoder", "DIR/new", *more)
    return CliRunner().invoke(main, [part.replace("DIR", str(folder)) for part in arguments])


def test_tune_builds_the_index_with_the_new_encoder(folder: Path) -> None:
    result = invoke(folder, "--dev-split", "dev", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["saved"] is True
    assert (found["judged_on"], found["judged"]) == ("dev requests", 24)
    assert found["encoder"]["better"] is True
    assert found["encoder"]["steps"] == 80
    assert found["encoder"]["after"] == pytest.approx(found["before"]["accuracy"])
    assert f"the new encoder is kept in {folder / 'new'}" in result.stderr
    loaded = AgentMatcher.load(folder / "index")
    assert loaded.encoder.name == str(folder / "new")
    assert loaded.head is not None
    assert loaded.match("the rooftop again", min_confidence=0)[0].agent.name == "agent-roof"


def test_tune_holds_requests_out_where_no_split_is_given(
    folder: Path, no_better: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter((0.4, 0.5))
    monkeypatch.setattr(fine_tuning, "_accuracy", lambda *_: next(shares))
    result = invoke(folder, "--split", "train", "--force")
    assert result.exit_code == 0, result.output
    assert "10 of 48 labelled requests are held out" in result.stderr
    assert "50.0%, before it were 40.0%" in result.stderr
    assert "38 labelled requests for 6 of 6 agents" in result.stdout
    assert "judged on 10 dev requests" in result.stdout


def test_tune_keeps_what_is_there_if_the_encoder_is_no_better(
    folder: Path, no_better: None
) -> None:
    plain = ("tune", "-a", "DIR/agents.jsonl", "-m", "DIR/tiny", "--requests", "DIR/requests.jsonl")
    plain = (*plain, "-o", "DIR/index")
    done = CliRunner().invoke(main, [part.replace("DIR", str(folder)) for part in plain])
    assert done.exit_code == 0, done.output
    before = (folder / "index" / "manifest.json").read_bytes()
    result = invoke(folder, "--dev-split", "dev", "--json", "--force")
    assert result.exit_code == 1
    assert "no better and not kept" in result.stderr
    found = json.loads(result.stdout)
    assert (found["saved"], found["encoder"]["better"]) == (False, False)
    assert (folder / "index" / "manifest.json").read_bytes() == before
    assert not (folder / "new").exists()


def test_tune_looks_at_the_folders_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "train_encoder", None)
    same = invoke(folder, "-o", "DIR/new")
    assert (same.exit_code, "two folders" in same.stderr) == (2, True)
    other = invoke(folder, "-o", "DIR/tiny")
    assert (other.exit_code, "holds other files" in other.stderr) == (1, True)
