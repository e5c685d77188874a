"""Split text into the terms that the lexical index counts.

Agent names and requests mix prose with identifiers (`getFilmDetails`,
`backend-engineer`, `user_id`) and with languages that put no spaces between words.
Terms are lower-cased, split at case changes and underscores (the unsplit word counts as
well, so that "PostgreSQL" finds "postgresql"), lightly stemmed (Snowball English, by
PyStemmer), and runs of Chinese, Japanese kana or Thai are cut
into overlapping pairs of characters, the usual stand-in for a word segmenter.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_CASE_CHANGE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# "C++", "C#" and "F#" are names of languages, not letters with punctuation.
_WORD = re.compile(r"[A-Za-z](?:\+\+|#)(?!\w)|[^\W_]+")
_TERM = re.compile(r"[a-z](?:\+\+|#)(?!\w)|[^\W_]+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+")

WORDS_KEPT = 1 << 16
"""Words whose terms are remembered; most words of a catalogue recur."""

# Function words and the small talk of asking. They carry no hint of which agent is
# meant, yet in a small catalogue even "the" can look rare.
STOP_WORDS = frozenset({
    "a", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did",
    "do", "does", "for", "from", "had", "has", "have", "he", "her", "hers", "him", "his", "how",
    "i", "if", "in", "into", "is", "it", "its", "just", "let", "may", "me", "might", "my", "of",
    "on", "or", "our", "ours", "please", "shall", "she", "should", "so", "some", "that", "the",
    "their", "theirs", "them", "then", "there", "these", "they", "this", "those", "to", "too",
    "us", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "whose", "why",
    "will", "with", "would", "you", "your", "yours", "am", "being", "having", "s", "t", "d", "ll",
    "m", "re", "ve", "don",
})  # fmt: skip


@lru_cache(maxsize=1)
def _stemmer():  # type: ignore[no-untyped-def]
    import Stemmer

    return Stemmer.Stemmer("english")


def tokenize(text: str) -> list[str]:
    """Split a text into normalised terms, in order, repeats kept.

    Args:
        text: Any text.

    Returns:
        Lower-case stems without stop words; empty where the text holds no word.

    Example:
        >>> tokenize("Tune PostgreSQL and C++")
        ['tune', 'postgresql', 'postgr', 'sql', 'c++']
    """
    normalised = unicodedata.normalize("NFKC", text)
    terms: list[str] = []
    for written in _WORD.findall(normalised):
        terms.extend(_terms_of(written))
    return terms


@lru_cache(maxsize=WORDS_KEPT)
def _terms_of(written: str) -> tuple[str, ...]:
    # Searched again, for lower-casing can add a combining mark, which is no letter.
    parts = _TERM.findall(_CASE_CHANGE.sub(" ", written).lower())
    if len(parts) > 1:
        parts = [*_TERM.findall(written.lower()), *parts]
    terms: list[str] = []
    for term in parts:
        if term in STOP_WORDS:
            continue
        if term.isascii():
            terms.append(_stemmer().stemWord(term))
        else:
            terms.extend(_split_unspaced(term))
    return tuple(terms)


def _split_unspaced(term: str) -> list[str]:
    pieces: list[str] = []
    end = 0
    for run in _UNSPACED.finditer(term):
        if run.start() > end:
            pieces.append(term[end : run.start()])
        characters = run.group()
        if len(characters) == 1:
            pieces.append(characters)
        pieces.extend(characters[i : i + 2] for i in range(len(characters) - 1))
        end = run.end()
    if end < len(term):
        pieces.append(term[end:])
    return pieces
