"""The holder: when it makes a new matcher, and what it does when that fails."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from agentmatch import AgentMatcher, CatalogueError
from agentmatch.server import reload
from agentmatch.server.reload import MatcherHolder
from conftest import HashingEncoder, write_trades


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return age(write_trades(tmp_path / "agents", ["roofer", "baker"]))


def age(folder: Path, seconds: float = 60) -> Path:
    """Let a catalogue's files be older than the time in which they are not trusted."""
    then = time.time() - seconds
    for file in folder.iterdir():
        os.utime(file, (then, then))
    return folder


class Loader:
    """Make matchers, and count how often."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = 0
        self.error: Exception | None = None

    def __call__(self) -> AgentMatcher:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return AgentMatcher.from_directory(self.folder, encoder=HashingEncoder())


@pytest.fixture
def load(folder: Path) -> Loader:
    return Loader(folder)


def names(holder: MatcherHolder) -> list[str]:
    return [agent.name for agent in holder.matcher.agents]


def test_unchanged_files_are_left_alone(folder: Path, load: Loader) -> None:
    holder = MatcherHolder(load, folder)
    assert not holder.check()
    assert load.calls == 1
    assert holder.state.reloads == 0


def test_added_changed_and_removed_files_are_taken_up(folder: Path, load: Loader) -> None:
    holder = MatcherHolder(load, folder)
    former = holder.matcher
    write_trades(folder, ["plumber"])
    assert holder.check()
    assert names(holder) == ["baker", "plumber", "roofer"]
    (folder / "baker.md").unlink()
    assert holder.check()
    (folder / "roofer.md").write_text("# roofer: R\n\n## Description\nThatches.\n")
    assert holder.check()
    assert names(holder) == ["plumber", "roofer"]
    assert holder.matcher.agent("roofer").description == "Thatches."
    assert holder.state.reloads == 3
    # Whoever holds the first matcher still gets its answers.
    assert [agent.name for agent in former.agents] == ["baker", "roofer"]
    assert former.match("bread")[0].agent.name == "baker"


def test_files_written_just_before_are_read_again_once(
    folder: Path, load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_trades(folder, ["plumber"])
    holder = MatcherHolder(load, folder)
    assert not holder.check()
    # The clock of the next looks is past the time in which the file is not trusted.
    now = time.time_ns() + reload.SETTLING_TIME
    monkeypatch.setattr("agentmatch.snapshot.time.time_ns", lambda: now)
    assert holder.check()
    assert not holder.check()
    assert load.calls == 2


def test_times_in_the_future_do_not_make_it_read_for_ever(folder: Path, load: Loader) -> None:
    age(folder, seconds=-3600)
    holder = MatcherHolder(load, folder)
    assert not holder.check()
    assert load.calls == 1


@pytest.mark.parametrize("empty", [True, False])
def test_a_catalogue_that_cannot_be_used_leaves_the_former_one(
    folder: Path, load: Loader, empty: bool
) -> None:
    holder = MatcherHolder(load, folder)
    aside = folder.with_name("aside")
    folder.rename(aside)
    if empty:
        folder.mkdir()
    assert not holder.check()
    assert names(holder) == ["baker", "roofer"]
    assert str(folder) in (holder.state.error or "")
    calls = load.calls
    assert not holder.check()
    assert load.calls == calls
    if empty:
        folder.rmdir()
    aside.rename(folder)
    holder.check()
    write_trades(folder, ["plumber"])
    assert holder.check()
    assert names(holder) == ["baker", "plumber", "roofer"]
    assert holder.state.error is None


def test_the_same_files_that_come_back_end_the_error(folder: Path, load: Loader) -> None:
    holder = MatcherHolder(load, folder)
    folder.rename(folder.with_name("aside"))
    holder.check()
    assert holder.state.error is not None
    folder.with_name("aside").rename(folder)
    holder.check()
    assert holder.state.error is None


@pytest.mark.parametrize("error", [OSError("disk full"), CatalogueError("x", "y"), KeyError("z")])
def test_failures_of_other_causes_are_tried_again_later(
    folder: Path, load: Loader, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = MatcherHolder(load, folder)
    age(write_trades(folder, ["plumber"]))
    load.error = error
    assert not holder.check()
    assert str(error) == holder.state.error
    load.error = None
    assert not holder.check()
    monkeypatch.setattr(reload, "RETRY_INTERVAL", 0.0)
    load.error = error
    write_trades(folder, ["gardener"])
    assert not holder.check()
    load.error = None
    assert holder.check()
    assert names(holder) == ["baker", "gardener", "plumber", "roofer"]
    assert holder.state.error is None


def test_what_cannot_be_loaded_at_first_is_raised(folder: Path, load: Loader) -> None:
    load.error = CatalogueError("x", "y")
    with pytest.raises(CatalogueError):
        MatcherHolder(load, folder)
    with pytest.raises(CatalogueError):
        MatcherHolder(load, folder / "nowhere")


def test_the_background_takes_changes_up_and_ends(folder: Path, load: Loader) -> None:
    before = threading.active_count()
    with MatcherHolder(load, folder, interval=0.01) as holder:
        write_trades(folder, ["plumber"])
        end = time.monotonic() + 30
        while "plumber" not in names(holder) and time.monotonic() < end:
            time.sleep(0.01)
        assert "plumber" in names(holder)
    assert threading.active_count() == before
    write_trades(folder, ["gardener"])
    assert "gardener" not in names(holder)


def test_stopping_does_not_wait_for_a_matcher_that_takes_long(
    folder: Path, load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, goes_on = threading.Event(), threading.Event()

    def slow() -> AgentMatcher:
        if load.calls:
            making.set()
            goes_on.wait(60)
        return load()

    monkeypatch.setattr(reload, "STOP_TIMEOUT", 0.01)
    with MatcherHolder(slow, folder, interval=0.01) as holder:
        write_trades(folder, ["plumber"])
        assert making.wait(60)
    assert "plumber" not in names(holder)
    goes_on.set()


def test_nothing_is_watched_where_nothing_is_named(load: Loader) -> None:
    with MatcherHolder(load) as holder:
        assert not holder.check()
    assert load.calls == 1
