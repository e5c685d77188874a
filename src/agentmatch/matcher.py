"""Answer requests with ranked agents: the package's main class."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agentmatch.cache import load_cached_index
from agentmatch.calibration import DEFAULT_CALIBRATION, Calibration, Probabilities
from agentmatch.catalogue import load_catalogue, unique_agents
from agentmatch.encoders import Encoder, load_encoder
from agentmatch.errors import (
    CatalogueError,
    IndexMismatchError,
    IndexStaleError,
    InvalidRequestError,
    UnknownAgentError,
)
from agentmatch.features import Features, concatenate, features_of
from agentmatch.index import AgentIndex, Progress, build_index
from agentmatch.mentions import NameMentions
from agentmatch.passages import NAME, WHOLE
from agentmatch.ranking import (
    NAME_MENTION_BONUS,
    WEIGHTS,
    Scores,
    dense_signals,
    fuse,
    lexical_signal,
    order,
    signal_shares,
)
from agentmatch.requests import PreparedRequest, prepare_request
from agentmatch.snapshot import is_unchanged, take_snapshot
from agentmatch.splitting import split_request
from agentmatch.store import lock, read_index, write_index
from agentmatch.team import choose_team, part_values, uncovered_parts
from agentmatch.types import (
    Agent,
    CatalogueState,
    Evidence,
    Explanation,
    Match,
    Problem,
    RequestPart,
    Result,
    Rival,
    Signal,
    Team,
    TeamMember,
)

logger = logging.getLogger("agentmatch")

EVIDENCE_LIMIT = 3
"""Passages shown for each match."""

RIVALS_LIMIT = 3
"""Agents that an explanation compares with."""

REQUEST_BLOCK = 64
"""Requests scored at a time, which bounds the memory that their scores take."""


class AgentMatcher:
    """Rank the agents of a catalogue for free-text requests.

    Args:
        agents: Agents of different names, in any order.
        encoder: The encoder; all-MiniLM-L6-v2 where none is given.
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
        calibration: Calibration = DEFAULT_CALIBRATION,
    ) -> AgentMatcher:
        self._encoder = encoder
        self._weights = dict(weights)
        self._calibration = calibration
        self._source = source
        self._problems = problems
        self._replace_index(index)
        return self

    def _replace_index(self, index: AgentIndex) -> None:
        self._index = index
        self._names = tuple(agent.name for agent in index.agents)
        self._positions = {name: position for position, name in enumerate(self._names)}
        self._mentions = NameMentions(self._names)

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
            encoder: The encoder; all-MiniLM-L6-v2 where none is given.
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
                stored.index, encoder, source=stored.state, problems=stored.problems
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
            stored.index, encoder, source=source, problems=manifest.problems
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
            write_index(folder, self._index, catalogue=self._source, problems=self._problems)

    @property
    def agents(self) -> tuple[Agent, ...]:
        """Return the agents, sorted by name."""
        return self._index.agents

    @property
    def encoder(self) -> Encoder:
        """Return the encoder."""
        return self._encoder

    @property
    def weights(self) -> Mapping[str, float]:
        """Return the weight of each signal."""
        return self._weights

    @property
    def calibration(self) -> Calibration:
        """Return what turns scores into probabilities."""
        return self._calibration

    @property
    def catalogue_path(self) -> Path | None:
        """Return the folder or file the agents were read from, or None."""
        return None if self._source is None else Path(self._source.path)

    @property
    def index(self) -> AgentIndex:
        """Return the index that requests are matched against."""
        return self._index

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what was wrong with the catalogue's files."""
        return self._problems

    def __len__(self) -> int:
        return len(self._index.agents)

    def agent(self, name: str) -> Agent:
        """Return the agent of a name.

        Args:
            name: The agent's name, exactly.

        Raises:
            UnknownAgentError: There is none; the message lists the nearest names.
        """
        return self._index.agents[self._position(name)]

    def add(self, agents: Iterable[Agent], *, progress: Progress | None = None) -> None:
        """Add agents; one of a name that exists already replaces it.

        Args:
            agents: The agents; only these are encoded.
            progress: Called with the texts encoded so far and their number.
        """
        updated = {agent.name: agent for agent in self._index.agents}
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
        left = [agent for position, agent in enumerate(self._index.agents) if position not in gone]
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
        state = take_snapshot(path)
        catalogue = load_catalogue(path)
        self._rebuild(unique_agents(catalogue.agents), progress)
        self._source = state
        self._problems = catalogue.problems
        return self._index.encoded

    def _rebuild(self, agents: Iterable[Agent], progress: Progress | None) -> None:
        self._replace_index(
            build_index(agents, self._encoder, previous=self._index, progress=progress)
        )

    def match(self, request: str, top_k: int = 5, *, min_confidence: float | None = None) -> Result:
        """Rank the agents for one request.

        Args:
            request: Free text.
            top_k: How many agents to return; all where there are fewer.
            min_confidence: Accept only agents of at least this confidence, 0 to 1; 0
                accepts all. Where it is left out, all are accepted unless it is likely
                that no agent fits (`Calibration.max_none`).

        Returns:
            The best agents, each with the passages that earned its place. Those that
            are not accepted stand in `near_misses`.

        Raises:
            InvalidRequestError: The request is empty, `top_k` is less than 1, or
                `min_confidence` is not between 0 and 1.
        """
        return self.match_many([request], top_k, min_confidence=min_confidence)[0]

    def match_many(
        self, requests: Sequence[str], top_k: int = 5, *, min_confidence: float | None = None
    ) -> list[Result]:
        """Rank the agents for many requests, encoded together.

        Args:
            requests: Free texts.
            top_k: How many agents to return for each.
            min_confidence: As in `match`.

        Returns:
            One result a request, in order.

        Raises:
            InvalidRequestError: A request is empty, `top_k` is less than 1, or
                `min_confidence` is not between 0 and 1.
        """
        _check_arguments(requests, top_k)
        if min_confidence is not None and not 0 <= min_confidence <= 1:
            raise InvalidRequestError(f"min_confidence must be 0 to 1, not {min_confidence!r}")
        prepared = [prepare_request(request) for request in requests]
        vectors = self._encode_requests(prepared)
        results = []
        for start in range(0, len(prepared), REQUEST_BLOCK):
            block = slice(start, start + REQUEST_BLOCK)
            similarities, signals = self._signals(prepared[block], vectors[block])
            scores = self._scores(prepared[block], signals)
            features = self._features(prepared[block], scores, signals)
            confidences = self._calibration.confidence(features)
            none = self._calibration.confidence_none(features)
            for row, (request, reading) in enumerate(
                zip(requests[block], prepared[block], strict=True)
            ):
                ranking = tuple(
                    self._match(rank, position, scores[row], similarities[row], confidences[row])
                    for rank, position in enumerate(order(scores[row], self._names, top_k), 1)
                )
                accepted = self._accepted(ranking, float(none[row]), min_confidence)
                results.append(
                    Result(
                        request,
                        ranking[:accepted],
                        reading.warnings,
                        ranking[accepted:],
                        round(float(none[row]), 6),
                    )
                )
        return results

    def _accepted(self, ranking: Sequence[Match], none: float, min_confidence: float | None) -> int:
        """Return how many agents of a ranking are accepted."""
        if min_confidence is None:
            return 0 if self._refuses(none) else len(ranking)
        return sum(match.confidence >= min_confidence for match in ranking)

    def _refuses(self, none: float) -> bool:
        """Tell whether by default the answer is that no agent fits."""
        fitted_on = self._calibration.encoder_fingerprint
        return fitted_on in ("", self._encoder.fingerprint) and none > self._calibration.max_none

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
        vectors = self._encode_requests(prepared)
        parts = []
        for start in range(0, len(prepared), REQUEST_BLOCK):
            block = slice(start, start + REQUEST_BLOCK)
            _, signals = self._signals(prepared[block], vectors[block])
            scores = self._scores(prepared[block], signals)
            parts.append(self._features(prepared[block], scores, signals))
        return concatenate(parts)

    def _features(
        self,
        prepared: Sequence[PreparedRequest],
        scores: Scores,
        signals: Mapping[str, Scores],
    ) -> Features:
        coverage = self._index.lexical_whole_text.coverage([item.text for item in prepared])
        return features_of(scores, signals, coverage)

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
        wholes = [prepare_request(request) for request in requests]
        parts = [split_request(request) for request in requests]
        # The whole request leads its parts; a request of one part is encoded once.
        prepared = [
            [whole, *(prepare_request(part.text) for part in own if len(own) > 1)]
            for whole, own in zip(wholes, parts, strict=True)
        ]
        vectors = self._encode_requests([item for group in prepared for item in group])
        teams, start = [], 0
        for request, group, own in zip(requests, prepared, parts, strict=True):
            block = vectors[start : start + len(group)]
            start += len(group)
            teams.append(self._team(request, group, block, own, top_k))
        return teams

    def _team(
        self,
        request: str,
        prepared: Sequence[PreparedRequest],
        vectors: NDArray[np.float32],
        parts: Sequence[RequestPart],
        top_k: int,
    ) -> Team:
        """Choose a team: the whole request is the first of `prepared`, its parts follow."""
        similarities, signals = self._signals(prepared, vectors)
        scores = self._scores(prepared, signals)
        features = self._features(prepared, scores, signals)
        none = self._calibration.confidence_none(features)
        refused = [self._refuses(float(value)) for value in none]
        several = len(parts) > 1
        # A request of one part is its own part.
        rows = slice(1, None) if several else slice(0, 1)
        similarities, confidences = similarities[rows], self._calibration.confidence(features)[rows]
        values = part_values(scores[0], scores[rows]) if several else scores
        uncovered = uncovered_parts(values, refused[0], refused[rows])
        members = []
        for chosen in choose_team(scores[0], scores[rows], self._names, top_k):
            covered = [place for place in chosen.parts if place not in uncovered]
            if not covered:
                continue
            # Rank, score and confidence are those of the part where the agent is strongest.
            strongest = covered[int(values[covered, chosen.agent].argmax())]
            ranking = order(values[strongest], self._names, len(self._names))
            match = self._match(
                ranking.index(chosen.agent) + 1,
                chosen.agent,
                values[strongest],
                similarities[covered].max(axis=0),
                confidences[strongest],
            )
            members.append(TeamMember(match, tuple(parts[place] for place in covered)))
        return Team(
            request,
            tuple(members),
            prepared[0].warnings,
            tuple(parts[place] for place in sorted(uncovered)),
        )

    def signals(self, requests: Sequence[str]) -> dict[str, Scores]:
        """Compute every signal of every agent, for study and fitting.

        Args:
            requests: Free texts.

        Returns:
            For each signal a float32 array [requests, agents], agents as in `agents`.
        """
        prepared = [prepare_request(request) for request in requests]
        vectors = self._encode_requests(prepared)
        blocks = [
            self._signals(prepared[start : start + REQUEST_BLOCK], vectors[start:][:REQUEST_BLOCK])[
                1
            ]
            for start in range(0, len(prepared), REQUEST_BLOCK)
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
        return self._encode_requests([prepare_request(request) for request in requests])

    def score(self, requests: Sequence[str], signals: Mapping[str, Scores]) -> Scores:
        """Combine signals into scores as `match` does, names that are mentioned included.

        Args:
            requests: Free texts.
            signals: For each signal a float32 array [requests, agents].

        Returns:
            float32 [requests, agents].

        Raises:
            InvalidRequestError: A request is empty.
        """
        return self._scores([prepare_request(request) for request in requests], signals)

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
        prepared = [prepare_request(request)]
        similarities, signals = self._signals(prepared, self._encode_requests(prepared))
        scores = self._scores(prepared, signals)[0]
        features = self._features(prepared, scores[np.newaxis], signals)
        confidences = self._calibration.confidence(features)[0]
        none = float(self._calibration.confidence_none(features)[0])
        ranking = order(scores, self._names, len(self._names))
        rank = ranking.index(position) + 1
        shares = {name: values[0] for name, values in signal_shares(signals, self._weights).items()}
        neighbours = ranking[: min(rank - 1, RIVALS_LIMIT)] or ranking[rank : rank + 1]
        return Explanation(
            request=request,
            match=self._match(rank, position, scores, similarities[0], confidences),
            agents=len(self._names),
            signals=tuple(
                sorted(
                    (
                        Signal(
                            name,
                            float(signals[name][0, position]),
                            float(share[position]),
                            int((signals[name][0] > signals[name][0, position]).sum()) + 1,
                        )
                        for name, share in shares.items()
                    ),
                    key=lambda signal: (-signal.share, signal.name),
                )
            ),
            named=position in self._mentions.find(prepared[0].text),
            rivals=tuple(
                Rival(
                    self._match(
                        ranking.index(other) + 1, other, scores, similarities[0], confidences
                    ),
                    {name: float(share[other] - share[position]) for name, share in shares.items()},
                )
                for other in neighbours
            ),
            confidence_none=round(none, 6),
            abstained=self._refuses(none),
        )

    def _encode_requests(self, prepared: Sequence[PreparedRequest]) -> NDArray[np.float32]:
        """Encode requests; one of several parts by the mean of its parts' vectors."""
        vectors = self._encoder.encode_queries([part for item in prepared for part in item.parts])
        if len(vectors) == len(prepared):
            return vectors
        starts = np.cumsum([0, *(len(item.parts) for item in prepared[:-1])])
        sums = np.add.reduceat(vectors, starts, axis=0)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        return np.asarray(sums / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)

    def _signals(
        self, prepared: Sequence[PreparedRequest], vectors: NDArray[np.float32]
    ) -> tuple[Scores, dict[str, Scores]]:
        index = self._index
        texts = [item.text for item in prepared]
        similarities = index.dense.similarities(vectors)
        signals = dense_signals(similarities, index.layout)
        signals["lexical_whole_text"] = lexical_signal(index.lexical_whole_text.scores(texts))
        signals["lexical_description"] = lexical_signal(index.lexical_description.scores(texts))
        return similarities, signals

    def _scores(self, prepared: Sequence[PreparedRequest], signals: Mapping[str, Scores]) -> Scores:
        scores = fuse(signals, self._weights)
        for row, item in zip(scores, prepared, strict=True):
            row[self._mentions.find(item.text)] += np.float32(NAME_MENTION_BONUS)
        return scores

    def _match(
        self,
        rank: int,
        position: int,
        scores: Scores,
        similarities: Scores,
        confidences: Probabilities,
    ) -> Match:
        rows = self._index.rows(position)
        candidates = [
            row for row in rows if self._index.passages[row].section not in (NAME, WHOLE)
        ] or [rows.start]
        best = [
            candidates[place]
            for place in order(similarities[candidates], candidates, EVIDENCE_LIMIT)
        ]
        return Match(
            rank=rank,
            agent=self._index.agents[position],
            score=round(float(scores[position]), 6),
            confidence=round(float(confidences[position]), 6),
            evidence=tuple(
                Evidence(
                    self._index.passages[row].section,
                    self._index.passages[row].text,
                    round(float(similarities[row]), 6),
                )
                for row in best
            ),
        )

    def _position(self, name: str) -> int:
        position = self._positions.get(name)
        if position is None:
            import difflib

            near = difflib.get_close_matches(name, self._names, n=3, cutoff=0.5)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            place = self._source.path if self._source is not None else "catalogue"
            raise UnknownAgentError(place, f"no agent is named {name!r}{hint}")
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
    then = dict(zip((agent.name for agent in index.agents), index.content_hashes, strict=True))
    if now == then:
        return
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    raise IndexStaleError(
        folder,
        f"the catalogue {source.path} has changed since ({len(changed)} of {len(now)} agents, "
        f"among them {changed[0]}); build it again: "
        f"agentmatch index {source.path} -o {folder}",
    )
