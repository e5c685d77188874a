"""Headings by meaning, Markdown blocks, and the lines that sections are made of."""

from __future__ import annotations

import pytest

from agentmatch.parsing import parse_agent
from agentmatch.parsing.blocks import read_blocks
from agentmatch.parsing.headings import field_of
from agentmatch.parsing.plain_text import strip_quotes
from agentmatch.parsing.sections import read_sections


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("When to Use", "when_to_use"),
        ("🎯 When to use this agent:", "when_to_use"),
        ("Use this agent when", "when_to_use"),
        ("WHEN TO ACTIVATE", "when_to_use"),
        ("Best Use Cases", "when_to_use"),
        ("使用场景", "when_to_use"),
        ("Example Interactions", "example_tasks"),
        ("3. Example use cases", "example_tasks"),
        ("Common Scenarios You Excel At", "example_tasks"),
        ("Your Core Capabilities", "capabilities"),
        ("What I can do", "capabilities"),
        ("Key Responsibilities:", "capabilities"),
        ("Core Competencies", "capabilities"),
        ("Core Expertise", "expertise"),
        ("Cloud Platform Expertise", "expertise"),
        ("Focus Areas", "expertise"),
        ("Review Focus Areas", "expertise"),
        ("Prompt Starters", "example_tasks"),
        ("Knowledge Base", "expertise"),
        ("Technical Stack", "expertise"),
        ("Your Mission", "purpose"),
        ("Response Approach", "workflow"),
        ("Integration with the Release Workflow", "workflow"),
        ("Guidelines & Principles", None),
        ("Behavioral Traits", "best_practices"),
        ("KPIs", "success_metrics"),
        ("When invoked:", "other"),
        ("When NOT to use", "not_for"),
        ("When not to use this agent", "not_for"),
        ("Don’t use for", "not_for"),
        ("Integration with other agents:", "other"),
        ("Works with", "other"),
        ("Collaboration Patterns", "other"),
        ("Delegation Examples", "other"),
        ("Available Subagents", "other"),
        ("Quick Selection Guide", "other"),
        ("Handoffs", "other"),
        ("Code Examples", "other"),
        ("Output Examples", "other"),
        ("Communication Protocol", "other"),
        ("When to use vs the auditor", "other"),
        ("When to use other agents", "other"),
        ("When to use composite indexes", None),
        ("Databases", None),
        ("", None),
        ("🎯", None),
        ("Your", None),
    ],
)
def test_headings_by_meaning(heading: str, field: str | None) -> None:
    assert field_of(heading) == field


def fields(text: str) -> dict[str, list[str]]:
    return {name: lines for name, lines in read_sections(read_blocks(text)).fields.items() if lines}


@pytest.mark.parametrize(
    "label",
    [
        "## Capabilities",
        "**Capabilities:**",
        "**Capabilities**",
        "Capabilities:",
        "Some words.\nCapabilities:",
        "Capabilities\n---",
        "__Capabilities__:",
    ],
)
def test_headings_and_labels(label: str) -> None:
    assert fields(f"{label}\n- Rope\n- Sail\n") == {"capabilities": ["Rope", "Sail"]}


def test_label_with_its_text_behind() -> None:
    text = "### Splicing\n\n**When to use**: For torn ropes\n\n**Example scenarios**:\n- Join it\n"
    assert fields(text) == {"when_to_use": ["For torn ropes"], "example_tasks": ["Join it"]}


def test_deeper_headings_belong_to_the_section_around_them() -> None:
    text = """## Capabilities
### Ropes
- Splice
#### Overview
- Whip
**Knots:**
- Bowline
## Process
- Haul
### Example tasks
- "Haul it"
"""
    assert fields(text) == {
        "capabilities": ["Splice", "Whip", "Bowline"],
        "workflow": ["Haul"],
        "example_tasks": ["Haul it"],
    }


def test_lists_of_labelled_lists() -> None:
    text = """## When to use
- **Use for**:
  - Torn sails
  - Wet ropes
- **Don't use for**:
  - Engines
- Loose knots
"""
    assert fields(text) == {
        "when_to_use": ["Torn sails", "Wet ropes", "Loose knots"],
        "not_for": ["Engines"],
    }


def test_headings_above_nothing_but_code_are_lines() -> None:
    text = "## Expertise\n```c\nx\n```\n### Block and tackle\n```c\nx\n```\n### Knots\n- Bowline\n"
    assert fields(text) == {"expertise": ["Block and tackle", "Bowline"]}


def test_nothing_below_a_false_friend_counts() -> None:
    text = "## Output Format\n### Capabilities\n- a\n**When to use:**\n- b\n## Expertise\n- c\n"
    assert fields(text) == {"expertise": ["c"]}


def test_vague_headings_below_unknown_ones_are_details() -> None:
    assert fields("## Reports\n### Metrics\n- a\n### Overview\nb\n") == {}


def test_code_tables_comments_and_checkboxes() -> None:
    text = """## Capabilities
<!-- - hidden -->
```python
# Capabilities
- code
```
| Area | Skill |
|---|---|
| Rope | **Splice** |

- [ ] Whip <!-- secret --> ends
- `List<T>` of <b>ropes</b>

Use these for:
- *Nested*
  - deeper
"""
    assert fields(text) == {
        "capabilities": ["Rope: Splice", "Whip ends", "List<T> of ropes", "Nested", "deeper"]
    }


def test_prompt_tags_do_not_swallow_markdown() -> None:
    assert fields("<rules>\n## Capabilities\n- Rope\n</rules>\n") == {"capabilities": ["Rope"]}


def test_example_sections_keep_only_what_users_say() -> None:
    text = """## Example Interactions
Here is how it goes.
- "Fix the sail."
- Mend a net
- "Hoist the flag" — on Sundays

**User:** "Tie a knot"
**You:** I shall:
- take a rope
- bend it

### User: "Cut the line"
**Response:** done

**User:**
Let go
"""
    assert fields(text)["example_tasks"] == [
        "Fix the sail.",
        "Mend a net",
        "Hoist the flag",
        "Tie a knot",
        "Cut the line",
        "Let go",
    ]


def test_lines_are_those_of_the_file() -> None:
    blocks = read_blocks("# A\n\ntext\n- x\n\n**B:**\n", first_line=5)
    assert [(block.kind, block.line) for block in blocks] == [
        ("heading", 5),
        ("paragraph", 7),
        ("item", 8),
        ("label", 10),
    ]


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ('"Go"', "Go"),
        ("'It's on'", "It's on"),
        ("“Go” ", "Go"),
        ('"Go".', "Go"),
        ('"Stop" or "go"', '"Stop" or "go"'),
        ("'a' 'b'", "'a' 'b'"),
        ('"', '"'),
        ("", ""),
        ("plain", "plain"),
    ],
)
def test_strip_quotes(text: str, bare: str) -> None:
    assert strip_quotes(text) == bare


def test_a_title_may_hold_words_that_elsewhere_mean_other_agents() -> None:
    agent = parse_agent("# chooser: React vs Vue\n\n## When to Use\n- A front end is begun")
    assert (agent.name, agent.title) == ("chooser", "React vs Vue")
    assert agent.when_to_use == ("A front end is begun",)
