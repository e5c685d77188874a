"""Keep the matcher that answers in step with the catalogue's files."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from agentmatch.errors import AgentMatchError
from agentmatch.files import SETTLING_TIME
from agentmatch.matcher import AgentMatcher
from agentmatch.snapshot import take_snapshot
from agentmatch.types import CatalogueState

logger = logging.getLogger("agentmatch")

CHECK_INTERVAL = 1.0
"""Seconds between two looks at the files; a look at 100 files takes about a millisecond."""

RETRY_INTERVAL = 30.0
"""Seconds after which files that could not be used are tried again, changed or not: the
cause may lie elsewhere, such as a full disk."""

STOP_TIMEOUT = 5.0
"""Seconds that `stop` waits for a matcher that is being made. After that it is given up;
nothing is lost, because the cached index is written in one step."""

WARM_UP = "warm up"
"""A request asked of every new matcher, so that no user waits for what is loaded late."""


@dataclass(frozen=True, slots=True)
class HolderState:
    """Tell how a holder's matcher relates to its catalogue.

    Attributes:
        error: Why the present files cannot be used, or None; the former matcher answers.
        reloads: How often the matcher was replaced.
        loaded: When the matcher was made, in seconds since the epoch.
    """

    error: str | None
    reloads: int
    loaded: float


class MatcherHolder:
    """Hold the matcher that answers; replace it when its files change.

    A new matcher is made beside the old one and takes its place in one step: whoever
    has taken the old one from `matcher` goes on with it undisturbed. Files that cannot
    be used leave the old one in place. `start` looks at the files in the background;
    `with` starts and stops.

    Args:
        load: Makes a matcher of the files as they are.
        watched: A catalogue, or one file, whose change calls for a new matcher; None
            where nothing is watched.
        interval: Seconds between two looks.

    Raises:
        AgentMatchError: The first matcher cannot be made.
    """

    def __init__(
        self,
        load: Callable[[], AgentMatcher],
        watched: Path | str | None = None,
        *,
        interval: float = CHECK_INTERVAL,
    ) -> None:
        self._load = load
        self._watched = watched
        self._interval = interval
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        # Taken before the files are read: a change meanwhile is found by the next look.
        self._seen = None if watched is None else take_snapshot(watched)
        self._matcher = self._make()
        self._state = HolderState(None, 0, time.time())
        self._retry_at = 0.0

    @property
    def matcher(self) -> AgentMatcher:
        """Return the matcher that answers now."""
        return self._matcher

    @property
    def state(self) -> HolderState:
        """Return how the matcher relates to the files."""
        return self._state

    def check(self) -> bool:
        """Look at the files once; make a new matcher if they changed.

        Not for several threads at a time.

        Returns:
            Whether the matcher was replaced.
        """
        if self._watched is None:
            return False
        try:
            now = take_snapshot(self._watched)
        except (AgentMatchError, OSError) as error:
            self._seen = None
            self._fail(error)
            return False
        if not self._is_due(now):
            return False
        self._seen = now
        try:
            matcher = self._make()
        # Whatever is wrong with the files must end neither the thread nor the service.
        except Exception as error:
            self._fail(error)
            return False
        self._matcher = matcher
        self._state = HolderState(None, self._state.reloads + 1, time.time())
        return True

    def start(self) -> None:
        """Look at the files in the background from now on."""
        if self._watched is not None and self._thread is None:
            self._stopped.clear()
            self._thread = threading.Thread(target=self._watch, name="catalogue", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop looking; wait a little for a matcher that is being made."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT)
            self._thread = None

    def __enter__(self) -> MatcherHolder:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval):
            self.check()

    def _make(self) -> AgentMatcher:
        matcher = self._load()
        matcher.match(WARM_UP)
        return matcher

    def _is_due(self, now: CatalogueState) -> bool:
        if self._seen is None or now.files != self._seen.files:
            return True
        if self._state.error is not None and time.monotonic() >= self._retry_at:
            return True
        # A file written just before it was read may have been written again without a
        # new time; once it has come to rest it is read once more.
        return not _is_settled(self._seen) and _is_settled(now)

    def _fail(self, error: Exception) -> None:
        message = str(error) or type(error).__name__
        if message != self._state.error:
            expected = isinstance(error, AgentMatchError | OSError)
            logger.warning(
                "the catalogue's present files are not used: %s",
                message,
                exc_info=None if expected else error,
            )
        self._retry_at = time.monotonic() + RETRY_INTERVAL
        self._state = HolderState(message, self._state.reloads, self._state.loaded)


def _is_settled(state: CatalogueState) -> bool:
    # A time in the future says nothing about when the file was written.
    return not any(
        state.taken - SETTLING_TIME < file.modified <= state.taken for file in state.files
    )
