"""Answer requests with ranked agents: the package's main class."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args, overload

import numpy as np
from numpy.typing import NDArray

from agentmatch.cache import load_cached_index
from agentmatch.calibration import DEFAULT_CALIBRATION, Calibration
from agentmatch.catalogue import load_catalogue, unique_agents
from agentmatch.encoders import Encoder, load_encoder
from agentmatch.errors import (
    CatalogueError,
    IndexMismatchError,
    IndexStaleError,
    InvalidRequestError,
    UnknownAgentError,
)
from agentmatch.features import Features, concatenate
from agentmatch.index import AgentIndex, Progress, build_index
from agentmatch.mentions import no_such_name
from agentmatch.ranking import WEIGHTS, Scores, order
from agentmatch.requests import prepare_request
from agentmatch.scoring import CONFIDENCE_DECIMALS, REQUEST_BLOCK, Scorer
from agentmatch.snapshot import is_unchanged, take_snapshot
from agentmatch.store import lock, read_index, write_index
from agentmatch.types import (
    Agent,
    CatalogueState,
    Explanation,
    Match,
    Problem,
    Result,
    Rival,
    Signal,
    Team,
)

if TYPE_CHECKING:
    from agentmatch.evaluation.request_sets import LabelledRequest
    from agentmatch.tuning.head import Observations, TunedHead
    from agentmatch.tuning.report import TuningReport

Mode: TypeAlias = Literal["one", "team"]
"""Whether a request is for one agent, or for one agent for each of its jobs."""

RIVALS_LIMIT = 3
"""Agents that an explanation compares with."""


class AgentMatcher:
    """Rank the agents of a catalogue for free-text requests.

    Args:
        agents: Agents of different names, in any order.
        encoder: The encoder; the one that comes with the package where none is given.
        weights: The share of each signal in a score (see `agentmatch.ranking`).
        calibration: Turns scores into probabilities (see `agentmatch.calibration`).
        progress: Called with the texts encoded so far and their number.

    Raises:
        NoAgentsError: There is no agent.
        DuplicateAgentError: Two agents have one name.

    Example:
        >>> matcher = AgentMatcher.from_directory("agents/")  # doctest: +SKIP
        >>> matcher.match("Fix the flaky login test")[0].agent.name  # doctest: +SKIP
        'test-automation-engineer'
    """

    def __init__(
        self,
        agents: Iterable[Agent],
        *,
        encoder: Encoder | None = None,
        weights: Mapping[str, float] = WEIGHTS,
        calibration: Calibration = DEFAULT_CALIBRATION,
        progress: Progress | None = None,
    ) -> None:
        encoder = encoder or load_encoder()
        self._setup(
            build_index(agents, encoder, progress=progress),
            encoder,
            weights,
            calibration=calibration,
        )

    def _setup(
        self,
        index: AgentIndex,
        encoder: Encoder,
        weights: Mapping[str, float] = WEIGHTS,
        source: CatalogueState | None = None,
        problems: tuple[Problem, ...] = (),
        cached: bool = False,
        calibration: Calibration = DEFAULT_CALIBRATION,
        head: TunedHead | None = None,
    ) -> AgentMatcher:
        self._scorer = Scorer(index, encoder, weights, calibration, head)
        self._source = source
        self._problems = problems
        self._cached = cached
        return self

    def _replace_index(self, index: AgentIndex) -> None:
        old = self._scorer
        self._scorer = Scorer(index, old.encoder, old.weights, old.calibration, old.head)

    @classmethod
    def from_directory(
        cls,
        path: Path | str,
        *,
        encoder: Encoder | None = None,
        cache: bool = True,
        progress: Progress | None = None,
    ) -> AgentMatcher:
        """Read a catalogue and index it, or take its index from the user's cache.

        Args:
            path: A folder of agent files, one agent file, an `agents.jsonl`, or
                "builtin" for the agents that come with the package.
            encoder: The encoder; the one that comes with the package where none is given.
            cache: Keep the index in the user's cache folder and, when files change,
                encode only the agents that changed.
            progress: Called with the texts encoded so far and their number.

        Returns:
            A matcher over the catalogue. Where several files define one name, the
            first by path is used; `problems` names them all.

        Raises:
            CatalogueError: The path does not exist, or holds no agent.
            ModelError: The default encoder cannot be used.
        """
        encoder = encoder or load_encoder()
        if cache:
            stored = load_cached_index(path, encoder, progress=progress)
            return cls.__new__(cls)._setup(
                stored.index,
                encoder,
                source=stored.state,
                problems=stored.problems,
                cached=True,
            )
        state = take_snapshot(path)
        catalogue = load_catalogue(path)
        index = build_index(unique_agents(catalogue.agents), encoder, progress=progress)
        return cls.__new__(cls)._setup(index, encoder, source=state, problems=catalogue.problems)

    @classmethod
    def load(cls, path: Path | str, *, encoder: Encoder | None = None) -> AgentMatcher:
        """Load an index that `save` or `agentmatch index` wrote.

        Args:
            path: The index folder.
            encoder: The encoder; the one that built the index where none is given.

        Returns:
            A matcher that answers as the saved one did.

        Raises:
            IndexNotFoundError: There is no index.
            IndexFormatError: Another version of agentmatch wrote it.
            IndexCorruptError: A file of it is missing, truncated or edited.
            IndexMismatchError: The encoder is another than the one that built it.
            IndexStaleError: The catalogue it was built from has changed since.
            ModelError: The encoder that built it cannot be used.
        """
        folder = Path(path)
        stored = read_index(folder)
        manifest = stored.manifest
        encoder = encoder or load_encoder(manifest.encoder)
        if encoder.fingerprint != manifest.encoder_fingerprint:
            raise IndexMismatchError(
                folder,
                f"built with other weights or settings of {manifest.encoder!r} than the encoder "
                f"{encoder.name!r} has; build it again: agentmatch index DIR -o {folder}",
            )
        source = manifest.catalogue
        if source is not None and Path(source.path).exists() and not is_unchanged(source):
            _require_same_agents(folder, stored.index, source)
        return cls.__new__(cls)._setup(
            stored.index, encoder, source=source, problems=manifest.problems, head=stored.head
        )

    def save(self, path: Path | str) -> None:
        """Write the index into a folder, in one step.

        Args:
            path: A new or empty folder, or one that holds an index already.

        Raises:
            IndexFolderError: The folder holds other things.
            OSError: The disk does not take it.
        """
        folder = Path(path)
        with lock(folder):
            write_index(
                folder,
                self._scorer.index,
                catalogue=self._source,
                problems=self._problems,
                head=self._scorer.head,
            )

    @property
    def agents(self) -> Sequence[Agent]:
        """Return the agents, sorted by name."""
        # Those of a stored index are read when they are asked for.
        return self._scorer.index.agents

    @property
    def encoder(self) -> Encoder:
        """Return the encoder."""
        return self._scorer.encoder

    @property
    def weights(self) -> Mapping[str, float]:
        """Return the weight of each signal."""
        return self._scorer.weights

    @property
    def calibration(self) -> Calibration:
        """Return what turns scores into probabilities."""
        return self._scorer.calibration

    @property
    def head(self) -> TunedHead | None:
        """Return what was learned from labelled requests, or None."""
        return self._scorer.head

    @property
    def max_none(self) -> float:
        """Return the probability of "no agent fits" above which a request is refused."""
        return self._scorer.max_none

    @property
    def catalogue_path(self) -> Path | None:
        """Return the folder or file the agents were read from, or None."""
        return None if self._source is None else Path(self._source.path)

    @property
    def index(self) -> AgentIndex:
        """Return the index that requests are matched against."""
        return self._scorer.index

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what was wrong with the catalogue's files."""
        return self._problems

    def __len__(self) -> int:
        return len(self._scorer.names)

    def agent(self, name: str) -> Agent:
        """Return the agent of a name.

        Args:
            name: The agent's name, exactly.

        Raises:
            UnknownAgentError: There is none; the message lists the nearest names.
        """
        return self.agents[self._position(name)]

    def with_encoder(self, encoder: Encoder, *, progress: Progress | None = None) -> AgentMatcher:
        """Make a matcher over the same agents that uses another encoder, without a head.

        Args:
            encoder: The encoder; all agents are encoded with it.
            progress: Called with the texts encoded so far and their number.

        Returns:
            The new matcher; this one stays as it is.
        """
        return (
            type(self)
            .__new__(type(self))
            ._setup(
                build_index(self.agents, encoder, progress=progress),
                encoder,
                self.weights,
                self._source,
                self._problems,
                calibration=self.calibration,
            )
        )

    def add(self, agents: Iterable[Agent], *, progress: Progress | None = None) -> None:
        """Add agents; one of a name that exists already replaces it.

        Args:
            agents: The agents; only these are encoded.
            progress: Called with the texts encoded so far and their number.
        """
        updated = {agent.name: agent for agent in self.agents}
        updated.update((agent.name, agent) for agent in agents)
        self._rebuild(updated.values(), progress)
        self._source = None

    def remove(self, names: Iterable[str]) -> None:
        """Remove agents by name.

        Args:
            names: The names of agents that are there.

        Raises:
            UnknownAgentError: There is no agent of one of the names.
            NoAgentsError: None would be left.
        """
        gone = {self._position(name) for name in names}
        left = [agent for position, agent in enumerate(self.agents) if position not in gone]
        self._rebuild(left, None)
        self._source = None

    def refresh(self, *, progress: Progress | None = None) -> int:
        """Read the catalogue again and encode only the agents that changed.

        Args:
            progress: Called with the texts encoded so far and their number.

        Returns:
            How many texts were encoded.

        Raises:
            CatalogueError: The matcher was not made from a catalogue, or that is gone.
        """
        if self._source is None:
            raise CatalogueError(
                "matcher", "it was not made from a catalogue's files, so nothing can be read again"
            )
        path = self._source.path
        if self._cached:
            stored = load_cached_index(path, self.encoder, previous=self.index, progress=progress)
            self._replace_index(stored.index)
            self._source, self._problems = stored.state, stored.problems
            return stored.index.encoded
        state = take_snapshot(path)
        catalogue = load_catalogue(path)
        self._rebuild(unique_agents(catalogue.agents), progress)
        self._source = state
        self._problems = catalogue.problems
        return self.index.encoded

    def _rebuild(self, agents: Iterable[Agent], progress: Progress | None) -> None:
        self._replace_index(
            build_index(agents, self.encoder, previous=self.index, progress=progress)
        )

    @overload
    def match(
        self,
        request: str,
        top_k: int = 5,
        *,
        min_confidence: float | None = None,
        mode: Literal["one"] = "one",
    ) -> Result: ...

    @overload
    def match(
        self,
        request: str,
        top_k: int = 5,
        *,
        min_confidence: None = None,
        mode: Literal["team"],
    ) -> Team: ...

    @overload
    def match(
        self,
        request: str,
        top_k: int = 5,
        *,
        min_confidence: float | None = None,
        mode: Mode,
    ) -> Result | Team: ...

    def match(
        self,
        request: str,
        top_k: int = 5,
        *,
        min_confidence: float | None = None,
        mode: Mode = "one",
    ) -> Result | Team:
        """Rank the agents for one request, or propose a team for it.

        Args:
            request: Free text.
            top_k: How many agents to return; all where there are fewer.
            min_confidence: Accept only agents of at least this confidence, 0 to 1; 0
                accepts all. Where it is left out, all are accepted unless it is likely
                that no agent fits (`Calibration.max_none`).
            mode: "one" ranks the agents, of which one shall do the request; "team"
                answers as `match_team` does.

        Returns:
            The best agents, each with the passages that earned its place. Those that
            are not accepted stand in `near_misses`. In the mode "team", a `Team`.

        Raises:
            InvalidRequestError: The request is empty, `top_k` is less than 1,
                `min_confidence` is not between 0 and 1, or stands beside the mode
                "team", or there is no such mode.
        """
        return self.match_many([request], top_k, min_confidence=min_confidence, mode=mode)[0]

    @overload
    def match_many(
        self,
        requests: Sequence[str],
        top_k: int = 5,
        *,
        min_confidence: float | None = None,
        mode: Literal["one"] = "one",
    ) -> list[Result]: ...

    @overload
    def match_many(
        self,
        requests: Sequence[str],
        top_k: int = 5,
        *,
        min_confidence: None = None,
        mode: Literal["team"],
    ) -> list[Team]: ...

    @overload
    def match_many(
        self,
        requests: Sequence[str],
        top_k: int = 5,
        *,
        min_confidence: float | None = None,
        mode: Mode,
    ) -> list[Result] | list[Team]: ...

    def match_many(
        self,
        requests: Sequence[str],
        top_k: int = 5,
        *,
        min_confidence: float | None = None,
        mode: Mode = "one",
    ) -> list[Result] | list[Team]:
        """Rank the agents for many requests, encoded together, or propose teams.

        Args:
            requests: Free texts.
            top_k: How many agents to return for each.
            min_confidence: As in `match`.
            mode: "one" or "team", as in `match`.

        Returns:
            One result a request, in order; in the mode "team" one team a request.

        Raises:
            InvalidRequestError: A request is empty, `top_k` is less than 1,
                `min_confidence` is not between 0 and 1, or stands beside the mode
                "team", or there is no such mode.
        """
        if mode not in get_args(Mode):
            raise InvalidRequestError(
                f'mode must be "one", which ranks agents, or "team", which proposes one for each '
                f"job of a request, not {mode!r}"
            )
        if mode == "team":
            if min_confidence is not None:
                raise InvalidRequestError("min_confidence is no bar for teams; leave it out")
            return self.match_teams(requests, top_k)
        _check_arguments(requests, top_k)
        if min_confidence is not None and not 0 <= min_confidence <= 1:
            raise InvalidRequestError(f"min_confidence must be 0 to 1, not {min_confidence!r}")
        scorer = self._scorer
        prepared = [prepare_request(request) for request in requests]
        vectors = scorer.encode(prepared)
        results = []
        for block in scorer.blocks(len(prepared)):
            similarities, signals = scorer.signals(prepared[block], vectors[block])
            scores, confidences, none = scorer.judge(prepared[block], vectors[block], signals)
            for row, (request, reading) in enumerate(
                zip(requests[block], prepared[block], strict=True)
            ):
                ranking = tuple(
                    scorer.match(rank, position, scores[row], similarities[row], confidences[row])
                    for rank, position in enumerate(order(scores[row], scorer.names, top_k), 1)
                )
                accepted = self._accepted(ranking, float(none[row]), min_confidence)
                results.append(
                    Result(
                        request,
                        ranking[:accepted],
                        reading.warnings,
                        ranking[accepted:],
                        round(float(none[row]), CONFIDENCE_DECIMALS),
                    )
                )
        return results

    def _accepted(self, ranking: Sequence[Match], none: float, min_confidence: float | None) -> int:
        """Return how many agents of a ranking are accepted."""
        if min_confidence is None:
            return 0 if self._scorer.refuses(none) else len(ranking)
        return sum(match.confidence >= min_confidence for match in ranking)

    def features(self, requests: Sequence[str]) -> Features:
        """Compute the features that confidences are made of, for study and fitting.

        Args:
            requests: Free texts.

        Returns:
            The features of these requests and all agents, agents as in `agents`.

        Raises:
            InvalidRequestError: A request is empty.
        """
        prepared = [prepare_request(request) for request in requests]
        vectors = self._scorer.encode(prepared)
        parts = []
        for start in range(0, len(prepared), REQUEST_BLOCK):
            block = slice(start, start + REQUEST_BLOCK)
            _, signals = self._scorer.signals(prepared[block], vectors[block])
            scores = self._scorer.zero_shot(prepared[block], signals)
            parts.append(self._scorer.features(prepared[block], scores, signals))
        return concatenate(parts)

    def tune(
        self,
        requests: Sequence[LabelledRequest],
        dev: Sequence[LabelledRequest] | None = None,
        *,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> TuningReport:
        """Learn from labelled requests; `match` uses what was learned from then on.

        The encoder stays as it is. A small head on top of it learns which requests each
        agent takes and which ones none takes; agents without examples are judged by
        their text as before, those that are added later too. `save` keeps it.

        Args:
            requests: Labelled requests to learn from. Those without agents say what no
                agent fits.
            dev: Further requests, on which the weights of scores and probabilities and
                the bar for "no agent fits" are fitted, and the head is judged. Where
                there are none, each request is judged by a head that was fitted
                without it.
            seed: Draws folds and samples.
            progress: Called with the requests encoded so far and their number.

        Returns:
            What was learned from, how answers changed on requests that nothing was
            fitted on, and labels that look wrong. The head is used whether it is
            `better` or not; `use_head(None)` removes it.

        Raises:
            UnknownAgentError: A label is no agent of the catalogue; the message names all.
            InvalidRequestError: A request is empty, or no request has an agent.
        """
        from agentmatch.tuning.learning import learn

        head, report = learn(self, requests, dev, seed, progress)
        self._scorer.head = head
        return report

    def observe(self, requests: Sequence[str], *, progress: Progress | None = None) -> Observations:
        """Say how requests are seen and answered, all agents at once, for study and fitting.

        Args:
            requests: Free texts.
            progress: Called with the requests encoded so far and their number.

        Returns:
            The arrays behind the answers, agents as in `agents`.

        Raises:
            InvalidRequestError: A request is empty, or there is none.
        """
        from agentmatch.tuning.observing import observe

        return observe(self._scorer, requests, progress)

    def use_head(self, head: TunedHead | None) -> None:
        """Match with a head that another matcher learned, or without any.

        Args:
            head: The head, or None.

        Raises:
            InvalidRequestError: It was learned with another encoder.
        """
        if head is not None and head.encoder_fingerprint != self.encoder.fingerprint:
            raise InvalidRequestError("the head was learned with another encoder; tune again")
        self._scorer.head = head

    def match_team(self, request: str, top_k: int = 5) -> Team:
        """Propose the agents that together do a request of several jobs.

        The request is split into parts, and an agent joins where it fits a part clearly
        better than the others (see `agentmatch.splitting` and `agentmatch.team`).

        Args:
            request: Free text.
            top_k: How many agents to propose at most.

        Returns:
            The agents with the parts that each covers; one agent for a single job, the
            first of `match` where the request has one part. Parts that no agent fits
            stand in `uncovered`.

        Raises:
            InvalidRequestError: The request is empty, or `top_k` is less than 1.
        """
        return self.match_teams([request], top_k)[0]

    def match_teams(self, requests: Sequence[str], top_k: int = 5) -> list[Team]:
        """Propose a team for each of many requests, all parts encoded together.

        Args:
            requests: Free texts.
            top_k: How many agents to propose for each at most.

        Returns:
            One team a request, in order.

        Raises:
            InvalidRequestError: A request is empty, or `top_k` is less than 1.
        """
        _check_arguments(requests, top_k)
        # Patterns that split requests take as long to compile as a bare Python takes to start.
        from agentmatch.team_matching import match_teams

        return match_teams(self._scorer, requests, top_k)

    def signals(self, requests: Sequence[str]) -> dict[str, Scores]:
        """Compute every signal of every agent, for study and fitting.

        Args:
            requests: Free texts.

        Returns:
            For each signal a float32 array [requests, agents], agents as in `agents`.
            Where the index is searched approximately, the dense signals of agents that
            are no candidates are -1 (see `agentmatch.candidates`).
        """
        prepared = [prepare_request(request) for request in requests]
        vectors = self._scorer.encode(prepared)
        blocks = [
            self._scorer.signals(prepared[block], vectors[block])[1]
            for block in self._scorer.blocks(len(prepared))
        ]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    def encode(self, requests: Sequence[str]) -> NDArray[np.float32]:
        """Encode requests as `match` does, long ones in parts.

        Args:
            requests: Free texts.

        Returns:
            float32 [requests, dimension], rows of unit length.

        Raises:
            InvalidRequestError: A request is empty.
        """
        return self._scorer.encode([prepare_request(request) for request in requests])

    def score(self, requests: Sequence[str], signals: Mapping[str, Scores]) -> Scores:
        """Combine signals into zero-shot scores, names that are mentioned included.

        What was learned from labelled requests is left out.

        Args:
            requests: Free texts.
            signals: For each signal a float32 array [requests, agents].

        Returns:
            float32 [requests, agents].

        Raises:
            InvalidRequestError: A request is empty.
        """
        return self._scorer.zero_shot([prepare_request(request) for request in requests], signals)

    def explain(self, request: str, agent: str) -> Explanation:
        """Say why an agent ranks where it does, and which agents stand next to it.

        Args:
            request: Free text.
            agent: The agent's name.

        Returns:
            The agent's rank, the parts of its score, and the agents ahead of it.

        Raises:
            UnknownAgentError: There is no agent of that name.
            InvalidRequestError: The request is empty.
        """
        position = self._position(agent)
        scorer = self._scorer
        prepared = [prepare_request(request)]
        vectors = scorer.encode(prepared)
        similarities, signals = scorer.signals(prepared, vectors, always=[position])
        judged = scorer.judge(prepared, vectors, signals)
        scores, confidences, none = judged[0][0], judged[1][0], float(judged[2][0])
        ranking = order(scores, scorer.names, len(scorer.names))
        rank = ranking.index(position) + 1
        values, shares = scorer.shares(prepared, vectors, signals)
        neighbours = ranking[: min(rank - 1, RIVALS_LIMIT)] or ranking[rank : rank + 1]
        return Explanation(
            request=request,
            match=scorer.match(rank, position, scores, similarities[0], confidences),
            agents=len(scorer.names),
            signals=tuple(
                sorted(
                    (
                        Signal(
                            name,
                            float(values[name][position]),
                            float(share[position]),
                            int((values[name] > values[name][position]).sum()) + 1,
                        )
                        for name, share in shares.items()
                    ),
                    key=lambda signal: (-signal.share, signal.name),
                )
            ),
            named=position in scorer.mentions.find(prepared[0].text),
            rivals=tuple(
                Rival(
                    scorer.match(
                        ranking.index(other) + 1, other, scores, similarities[0], confidences
                    ),
                    {name: float(share[other] - share[position]) for name, share in shares.items()},
                )
                for other in neighbours
            ),
            confidence_none=round(none, CONFIDENCE_DECIMALS),
            abstained=scorer.refuses(none),
        )

    def _position(self, name: str) -> int:
        position = bisect_left(self._scorer.names, name)
        if position == len(self._scorer.names) or self._scorer.names[position] != name:
            place = self._source.path if self._source is not None else "catalogue"
            raise UnknownAgentError(place, no_such_name(name, self._scorer.names))
        return position


def _check_arguments(requests: Sequence[str], top_k: int) -> None:
    if isinstance(requests, str):
        raise InvalidRequestError("give a list of requests; for one there are match and match_team")
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise InvalidRequestError(f"top_k must be a whole number of 1 or more, not {top_k!r}")


def _require_same_agents(folder: Path, index: AgentIndex, source: CatalogueState) -> None:
    """Accept files that were only touched; refuse an index of other content."""
    from agentmatch.passages import content_hash

    now = {
        agent.name: content_hash(agent)
        for agent in unique_agents(load_catalogue(source.path).agents)
    }
    then = dict(zip(index.names, index.content_hashes, strict=True))
    if now == then:
        return
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    raise IndexStaleError(
        folder,
        f"the catalogue {source.path} has changed since ({len(changed)} of {len(now)} agents, "
        f"among them {changed[0]}); build it again: "
        f"agentmatch index {source.path} -o {folder}",
    )
