"""Read a description sentence by sentence: what it is for, when, and when not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentmatch.parsing.plain_text import collapse, strip_quotes

# A full stop ends a sentence before white space and a capital, a digit or a quote, but
# not after an abbreviation.
_SENTENCE_END = re.compile(
    r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\betc\.)(?<!\bvs\.)(?<!\bcf\.)"
    r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)]))\s+(?=[\"'“‘(\[]?[A-Z0-9])|\n+"
)

_AGENT_WORD = r"(?:sub-?agent|agent|skill|mode|specialist|assistant|persona)"
_ADVERBS = r"(?:,?\s+(?:proactively|immediately|automatically|always|only|especially))*"
# "this", "it", "this agent", "the code-reviewer", "the database agent"; "the API" is none.
_OBJECT = rf"\s+(?:(?:this|the)\s+(?:[\w-]+\s+){{0,3}}?{_AGENT_WORD}|the\s+\w+(?:-\w+)+|this|it|me)"
_USED = rf"(?:(?:you )?(?:must|should) be used|(?:proactively )?(?:use|invoke)(?:{_OBJECT})?)"
# "Deploy to AWS" says what an agent does: these verbs need an object, or a "when".
_CALLED = (
    r"(?:activate|call|engage|deploy|choose|select|consult|trigger|delegate to)"
    rf"(?:{_OBJECT}|(?={_ADVERBS}\s+(?:when(?:ever)?|if)\b))"
)
# "Use this agent PROACTIVELY when you need to", "MUST BE USED for", "Invoke when".
_LEAD_IN = re.compile(
    rf"(?:(?:{_USED}|{_CALLED}){_ADVERBS}"
    r"|(?:ideal|best|perfect|suitable|great)(?:\s+(?:suited|used))?)"
    r"(?=\s*(?::|\s(?:when(?:ever)?|for|to|if|after|before|during|while)\b))"
    r"\s*(?::\s*|(?:when(?:ever)?|for|to|if)\b[\s:]*)?"
    r"(?:(?:the user|users?|you|someone|your team|teams?)\s+(?:needs?|wants?|asks?|would like)"
    r"(?:\s+(?:you|claude))?(?:\s+(?:to|for))?\s+)?",
    re.IGNORECASE,
)
# The same words with nothing after them: "Use PROACTIVELY." or "MUST BE USED."
_BARE_STOCK = re.compile(rf"{_USED}{_ADVERBS}[.!]*", re.IGNORECASE)
_NEGATIVE = re.compile(
    r"(?:please\s+)?(?:do not|don['’]t|never)\s+(?:use|invoke|call|activate|delegate)\b"
    r"|not\s+(?:for|suitable|intended|ideal|meant|to be used)\b|avoid\s+using\b"
    r"|(?:should|must)\s+not\s+be\s+used\b",
    re.IGNORECASE,
)
_TRIGGERS = re.compile(
    r"(?:triggers?(?: on| phrases| words| keywords)?|keywords|activates? on)\s*:\s*", re.IGNORECASE
)

MAX_TRIGGERS = 40
"""More comma-separated trigger words than this are prose."""


@dataclass(frozen=True, slots=True)
class Description:
    """Hold a description taken apart.

    Attributes:
        text: The description without its negative sentences.
        when_to_use: Sentences that say when, without their stock lead-in.
        not_for: Sentences that say when not.
        triggers: Words after "Triggers on:".
    """

    text: str
    when_to_use: tuple[str, ...] = ()
    not_for: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()


def read_description(text: str) -> Description:
    """Take a description apart.

    Args:
        text: The description, without dialogues.

    Returns:
        Its parts. A sentence that says when to use the agent stays in the text as well.

    Example:
        >>> read_description("Tunes SQL. Use PROACTIVELY for slow queries.").when_to_use
        ('slow queries',)
    """
    kept: list[str] = []
    when: list[str] = []
    negative: list[str] = []
    triggers: list[str] = []
    for sentence in split_sentences(text):
        if is_negative(sentence):
            negative.append(sentence)
            continue
        kept.append(sentence)
        listed = _TRIGGERS.match(sentence)
        if listed:
            triggers.extend(_words(sentence[listed.end() :]))
        elif (use := strip_lead_in(sentence)) is not None and use:
            when.append(use)
    return Description(" ".join(kept), tuple(when), tuple(negative), tuple(triggers))


def split_sentences(text: str) -> list[str]:
    """Split prose into sentences, list markers taken off.

    Example:
        >>> split_sentences("Knows SQL, e.g. Postgres 16. Use it. For what?")
        ['Knows SQL, e.g. Postgres 16.', 'Use it.', 'For what?']
    """
    parts = (collapse(part).lstrip("-*• ") for part in _SENTENCE_END.split(text))
    return [part for part in parts if part]


def is_negative(sentence: str) -> bool:
    """Tell whether a sentence says when an agent should not be used."""
    return _NEGATIVE.match(sentence.lstrip("-*• ")) is not None


def strip_lead_in(sentence: str) -> str | None:
    """Take "Use this agent when" and its like off a sentence.

    Args:
        sentence: One sentence.

    Returns:
        What follows the lead-in without its full stop, "" where nothing follows
        ("Use PROACTIVELY."), or None where the sentence has no such lead-in.

    Example:
        >>> strip_lead_in("MUST BE USED for database tuning.")
        'database tuning'
        >>> strip_lead_in("Uses PostgreSQL.") is None
        True
    """
    if _BARE_STOCK.fullmatch(sentence):
        return ""
    lead_in = _LEAD_IN.match(sentence)
    if lead_in is None:
        return None
    return sentence[lead_in.end() :].strip().rstrip(".").rstrip()


def _words(listed: str) -> list[str]:
    words = [strip_quotes(word.strip(" .")) for word in listed.split(",")]
    return [word for word in words if word][:MAX_TRIGGERS]
