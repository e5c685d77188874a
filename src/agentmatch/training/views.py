"""The texts that a routing encoder is trained on: requests, and views of agents.

An index holds several texts of an agent: its name, its description, single lines, its
whole text. Each must come near the requests that the agent should take, so training
shows each of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agentmatch.passages import DESCRIPTION, NAME, WHOLE, display_name, passages_of
from agentmatch.types import Agent

JOINED_LINES = 3
"""Lines of an agent that its "lines" view joins at most."""

RESTYLED = 0.3
"""The share of requests that are shown in another style than they were written in."""

OPENINGS = (
    "please ", "can you ", "hi, ", "hey - ", "I need help: ", "could someone ", "quick one: ",
    "we have to ", "help me ", "urgent!! ",
)  # fmt: skip
"""What users put before the request itself."""


@dataclass(frozen=True)
class TrainingPair:
    """Hold one request and the agents it belongs to.

    Attributes:
        text: The request, or a line of the agent's file that serves as one.
        agents: Positions of the agents that it fits; the first one is trained on.
        is_line: Whether the text stands in the agent's file, and must therefore be
            taken out of the views that are shown beside it.
    """

    text: str
    agents: tuple[int, ...]
    is_line: bool = False


@dataclass(frozen=True)
class TrainingSet:
    """Hold a catalogue and the pairs to train on.

    Attributes:
        name: Its name.
        agents: Its agents.
        pairs: Requests and their agents.
        none: Requests that none of the agents fits.
    """

    name: str
    agents: tuple[Agent, ...]
    pairs: tuple[TrainingPair, ...]
    none: tuple[str, ...] = ()


def whole_view(agent: Agent, without: str, generator: random.Random) -> str:
    """Return the agent's whole text without one line, its lines in random order.

    A training reads less of a text than an index does; so all lines get their turn.
    """
    passages = [p for p in passages_of(agent) if p.section != WHOLE and p.text != without]
    lead = [p.text for p in passages if p.section in (NAME, DESCRIPTION)]
    lines = [p.text for p in passages if p.section not in (NAME, DESCRIPTION)]
    generator.shuffle(lines)
    return "\n".join((*lead, *lines))


def titled_view(agent: Agent, without: str, _generator: random.Random) -> str:
    """Return name and description, as tool lists have them."""
    description = "" if agent.description.strip() == without else agent.description.strip()
    return f"{display_name(agent)}: {description}" if description else display_name(agent)


def description_view(agent: Agent, without: str, generator: random.Random) -> str:
    """Return the description alone, or the whole text of an agent that has none."""
    description = agent.description.strip()
    if description and description != without:
        return description
    return whole_view(agent, without, generator)


def name_view(agent: Agent, _without: str, _generator: random.Random) -> str:
    """Return the agent's name and title."""
    return display_name(agent)


def lines_view(agent: Agent, without: str, generator: random.Random) -> str:
    """Return a few lines that say what the agent is for, in random order."""
    lines = [
        passage.text
        for passage in passages_of(agent)
        if passage.section not in (NAME, WHOLE, DESCRIPTION) and passage.text != without
    ]
    if not lines:
        return titled_view(agent, without, generator)
    return "\n".join(generator.sample(lines, min(len(lines), generator.randint(1, JOINED_LINES))))


View = Callable[[Agent, str, random.Random], str]

BROAD_VIEWS: Mapping[View, float] = {whole_view: 0.6, titled_view: 0.4}
"""Views that say all about an agent, and how often each is shown."""

NARROW_VIEWS: Mapping[View, float] = {lines_view: 0.5, description_view: 0.3, name_view: 0.2}
"""Views that say one thing about an agent, and how often each is shown."""


def draw_views(generator: random.Random) -> tuple[View, ...]:
    """Draw a broad and a narrow view; all agents of a batch are shown in the same two."""
    return tuple(
        generator.choices(list(views), weights=list(views.values()))[0]
        for views in (BROAD_VIEWS, NARROW_VIEWS)
    )


def restyle(text: str, generator: random.Random) -> str:
    """Write a request as a hurried user might: other case, typos, an opening.

    Args:
        text: The request.
        generator: Decides what is done; most texts stay as they are.

    Returns:
        The request; never an empty one.
    """
    if generator.random() >= RESTYLED:
        return text
    style = generator.randrange(4)
    if style == 0:
        return text.lower()
    if style == 1:
        return text.rstrip(".?! ") or text
    if style == 2:
        return generator.choice(OPENINGS) + text[:1].lower() + text[1:]
    return _mistype(text, generator)


def _mistype(text: str, generator: random.Random) -> str:
    """Swap two neighbouring letters, or drop one, within long words."""
    words = text.split(" ")
    long: Sequence[int] = [position for position, word in enumerate(words) if len(word) > 5]
    for position in generator.sample(long, min(len(long), 1 + len(words) // 12)):
        word = words[position]
        at = generator.randrange(1, len(word) - 2)
        swapped = word[at + 1] + word[at] if generator.random() < 0.5 else word[at]
        words[position] = word[:at] + swapped + word[at + 2 :]
    return " ".join(words)
