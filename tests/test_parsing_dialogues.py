"""Dialogues, and the sentences of a description."""

from __future__ import annotations

import pytest

from agentmatch.parsing import parse_agent
from agentmatch.parsing.descriptions import read_description, strip_lead_in
from agentmatch.parsing.dialogues import blank_dialogues, take_dialogues, unescape_newlines

TAGGED = (
    "Use this agent when a pipe leaks. Examples: <example>Context: A kitchen. "
    'user: "The tap\'s dripping" assistant: "I\'ll call the plumber agent: user: no" '
    "<commentary>A leak.</commentary></example> - <example>\nContext: Cold.\n"
    "User: Thaw my pipes\nassistant: 'On it'\n</example> It is quick."
)


def test_tagged_dialogues_leave_the_description() -> None:
    prose, requests = take_dialogues(TAGGED)
    assert prose == "Use this agent when a pipe leaks. It is quick."
    assert requests == ("The tap's dripping", "Thaw my pipes")


def test_escaped_newlines() -> None:
    text = 'Fixes pipes.\\n\\n<example>\\nuser: \\"Fix it\\"\\nassistant: \\"Yes\\"\\n</example>'
    assert take_dialogues(unescape_newlines(text)) == ("Fixes pipes.", ("Fix it",))
    assert unescape_newlines(r"Reads C:\new\notes") == r"Reads C:\new\notes"


@pytest.mark.parametrize(
    ("text", "prose", "requests"),
    [
        ("A. <example>user: 'x' assistant: 'y'", "A.", ("x",)),
        ("A. <example>user: 'x'<example>user: 'y'</example>", "A.", ("x", "y")),
        ("A. Examples:\n- user: 'Fix' -> assistant: 'Ok'", "A.", ("Fix",)),
        ('A. Example: Context: B. user: "Go" assistant: "Gone" C.', "A. C.", ("Go",)),
        ("A. <examples><example><user>Do it</user></example></examples>", "A.", ("Do it",)),
        ("Handles user: fields in forms.", "Handles user: fields in forms.", ()),
        ("", "", ()),
    ],
)
def test_dialogues_of_other_shapes(text: str, prose: str, requests: tuple[str, ...]) -> None:
    assert take_dialogues(text) == (prose, requests)


def test_dialogue_block_in_the_body() -> None:
    agent = parse_agent(
        "---\nname: a\ndescription: Mends pipes.\n---\n<examples>\n<example>\nContext: c\n"
        'user: "Mend the drain"\nassistant: "Capabilities:"\n</example>\n</examples>\n\n'
        "## Capabilities\n- Soldering\n"
    )
    assert agent.example_tasks == ("Mend the drain",)
    assert agent.capabilities == ("Soldering",)
    assert "<example>" in agent.body


def test_body_dialogues_keep_line_numbers_and_code() -> None:
    body = "a\n<example>\nuser: x\n</example>\n```\n<example>user: y</example>\n```\n"
    assert blank_dialogues(body) == (
        "a\n\n\n\n```\n<example>user: y</example>\n```\n",
        ("x",),
    )


@pytest.mark.parametrize(
    ("sentence", "rest"),
    [
        ("Use PROACTIVELY for database tuning.", "database tuning"),
        ("MUST BE USED for audits.", "audits"),
        ("Use this agent when you need to move a piano.", "move a piano"),
        ("Use this agent when the user asks for a quote.", "a quote"),
        ("Use proactively when building decks", "building decks"),
        ("Invoke the deck-builder agent after each storm.", "after each storm"),
        ("Use when: low light, fog", "low light, fog"),
        ("Activate when it rains.", "it rains"),
        ("Ideal for small boats.", "small boats"),
        ("Use PROACTIVELY.", ""),
        ("MUST BE USED.", ""),
        ("Deploy to the cloud with Helm.", None),
        ("Use the API for billing.", None),
        ("Uses Docker.", None),
        ("Call for papers.", None),
        ("Tunes databases.", None),
    ],
)
def test_stock_lead_ins(sentence: str, rest: str | None) -> None:
    assert strip_lead_in(sentence) == rest


def test_description_is_taken_apart() -> None:
    found = read_description(
        "Paints boats, e.g. Dories. Use for hulls. Do not use for decks! "
        "Triggers on: 'paint', \"varnish\"."
    )
    assert found.text == (
        "Paints boats, e.g. Dories. Use for hulls. Triggers on: 'paint', \"varnish\"."
    )
    assert found.when_to_use == ("hulls",)
    assert found.not_for == ("Do not use for decks!",)
    assert found.triggers == ("paint", "varnish")
