"""Whole agent files of every family: what becomes of each part."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentmatch.errors import AgentFileError
from agentmatch.parsing import parse_agent, parse_agent_file
from agentmatch.types import Agent


def parse(text: str, name: str = "tide-keeper.md") -> Agent:
    return parse_agent(text, path=Path("agents/harbour") / name)


REFERENCE = """\
# tide-keeper: Harbour Tide Specialist

## Description
Plans berths around the tide. Knows every sandbank.

## Capabilities
- **Tide Tables**: springs, neaps, `harmonics`
- **Berth Plans**: [draught](https://example.org/d) limits

## When to Use
- Planning the arrival of a deep ship
- Do not use for river locks

## Expertise Areas

### Instruments
- **Gauges**: float, radar

### Waters
- Estuaries

## Integration with Harbour Workflow

### Phase 2 (Arrival)
- Confirm the pilot

## Best Practices
1. **Margins**: keep a metre under the keel

## Example Tasks
- "When can the Marigold leave on Friday?"
- “Which berth fits a draught of 9 metres?”

## Integration with Other Agents
- Ask pilot-planner for pilots

### Capabilities
- Belongs to pilot-planner

## Success Metrics
- No grounding in a year
"""


def test_reference_format_fills_every_section() -> None:
    agent = parse(REFERENCE)
    assert agent.name == "tide-keeper"
    assert agent.title == "Harbour Tide Specialist"
    assert agent.description == "Plans berths around the tide. Knows every sandbank."
    assert agent.capabilities == (
        "Tide Tables: springs, neaps, harmonics",
        "Berth Plans: draught limits",
    )
    assert agent.when_to_use == ("Planning the arrival of a deep ship",)
    assert agent.metadata == {"not_for": ["Do not use for river locks"]}
    assert agent.expertise == ("Gauges: float, radar", "Estuaries")
    assert agent.workflow == ("Confirm the pilot",)
    assert agent.best_practices == ("Margins: keep a metre under the keel",)
    assert agent.example_tasks == (
        "When can the Marigold leave on Friday?",
        "Which berth fits a draught of 9 metres?",
    )
    assert agent.success_metrics == ("No grounding in a year",)
    assert agent.body == REFERENCE
    assert agent.path == Path("agents/harbour/tide-keeper.md")


def test_front_matter_with_prose() -> None:
    agent = parse(
        """---
name: kiln-master
description: Fires ceramics. Use PROACTIVELY for cracked glazes. Not for glass blowing.
tools: Read, Bash(ls:*, cat), Write
model: small
color: red
version: 2
---

You are a potter with thirty years at the kiln.

When invoked:
1. Ask for the clay

Glaze faults:
- Crazing and shivering
- Pinholes
- Crawling

## Collaboration
- glass-blower takes the rest
"""
    )
    assert agent.name == "kiln-master"
    assert agent.description == "Fires ceramics. Use PROACTIVELY for cracked glazes."
    assert agent.when_to_use == ("cracked glazes",)
    assert agent.tools == ("Read", "Bash(ls:*, cat)", "Write")
    assert agent.model == "small"
    assert agent.purpose == ("You are a potter with thirty years at the kiln.",)
    assert agent.expertise == ("Glaze faults: Crazing and shivering; Pinholes; Crawling",)
    assert agent.metadata == {
        "color": "red",
        "version": 2,
        "not_for": ["Not for glass blowing."],
    }


def test_topic_lists_count_only_where_no_section_says_what_it_can_do() -> None:
    text = "---\nname: a\ndescription: Does b.\n---\n## Capabilities\n- Cuts\n\n## Woods\n"
    assert parse(text + "- x\n- y\n- z\n").expertise == ()


@pytest.mark.parametrize(
    "listed",
    [
        "- Never cut wet wood\n- Oak\n- Ash",
        "- Oak\n- Ash",
        "- A long instruction that tells the model in very many words what to do\n" * 3,
    ],
)
def test_orders_and_short_lists_are_no_topics(listed: str) -> None:
    assert parse(f"---\nname: a\ndescription: Does b.\n---\n## Woods\n{listed}\n").expertise == ()


def test_copilot_agent_keeps_its_spoken_name_and_heading() -> None:
    agent = parse(
        """---
description: 'Reviews bee hives'
name: 'Bee Expert'
tools: ['read', "web/fetch"]
handoffs:
  - label: Go
    agent: other
---

# 🐝 Bee Expert

## Your Core Responsibilities

- Inspect brood frames

## Example Prompts

- “Why do my bees leave?”

## Output Format
- Capabilities: a table
""",
        "bees.agent.md",
    )
    assert (agent.name, agent.title) == ("Bee Expert", "Bee Expert")
    assert agent.tools == ("read", "web/fetch")
    assert agent.capabilities == ("Inspect brood frames",)
    assert agent.example_tasks == ("Why do my bees leave?",)
    assert agent.metadata == {"handoffs": [{"label": "Go", "agent": "other"}]}


def test_structured_front_matter() -> None:
    agent = parse(
        """---
name: moss-expert
description: Identifies mosses in the field and under the lens.
category: botany
capabilities:
  - Field identification
  - Spore slides
auto_activate:
  keywords: [moss, "liver, wort"]
  conditions: [A specimen needs a name]
examples:
  - trigger: "Name this moss from my wall"
    commentary: It asks for a name.
  - "Prepare a slide"
since: 2024-05-01
temperature: 0.7
---
"""
    )
    assert agent.capabilities == ("Field identification", "Spore slides")
    assert agent.tags == ("botany", "moss", "liver", "wort")
    assert agent.when_to_use == ("A specimen needs a name",)
    assert agent.example_tasks == ("Name this moss from my wall", "Prepare a slide")
    assert agent.metadata == {"since": "2024-05-01", "temperature": 0.7}


def test_gemini_tools_as_a_list_and_flags() -> None:
    text = "---\nname: a\ndescription: Does b.\ntools:\n  - read\n  - shell\n---\n"
    assert parse(text).tools == ("read", "shell")
    text = "---\nname: a\ndescription: Does b.\ntools:\n  read: true\n  shell: false\n---\n"
    assert parse(text).tools == ("read",)


BMAD = """\
# lamplighter

ACTIVATION-NOTICE: read it all.

```yaml
resolution:
  - Example (draft -> *create)
agent:
  name: Wilma
  id: lamp
  title: Lamp Lighter
  whenToUse: Use for lighting streets, trimming wicks. Do not use for neon.
persona:
  role: Keeper of Lamps
  style: Terse
  identity: Lights a town by dusk
  focus: Even light
core_principles:
  - Safety: gloves first
  - Never skip a lamp
commands:
  - help: Show commands
  - trim-wick {lamp}: Cut the wick of one lamp
  - patrol:
      - order: 'walk then light'
  - '*refill - Fill the oil'
  - '*polish" - Shine: the glass'
  - exit: Leave
```
"""


def test_bmad_block() -> None:
    agent = parse(BMAD)
    assert (agent.name, agent.title) == ("lamp", "Lamp Lighter")
    assert agent.description == "Keeper of Lamps. Lights a town by dusk"
    assert agent.when_to_use == ("lighting streets, trimming wicks",)
    assert agent.purpose == ("Even light",)
    assert agent.capabilities == (
        "trim wick: Cut the wick of one lamp",
        "patrol",
        "refill: Fill the oil",
        "polish: Shine: the glass",
    )
    assert agent.best_practices == ("Safety: gloves first", "Never skip a lamp")
    assert agent.metadata == {
        "agent": {"name": "Wilma"},
        "persona": {"style": "Terse"},
        "not_for": ["Do not use for neon."],
    }


def test_broken_bmad_block_is_read_key_by_key() -> None:
    broken = BMAD.replace("  style: Terse", "  style: Terse: very")
    agent, problems = parse_agent_file(broken, path=Path("lamp.md"))
    assert agent is not None
    assert agent.name == "lamp"
    assert agent.capabilities[0] == "trim wick: Cut the wick of one lamp"
    assert [(problem.code, problem.line) for problem in problems] == [("invalid-yaml", 15)]


def test_agent_without_front_matter_is_named_by_its_file() -> None:
    text = "# Cheese Ager\n\n## Role\nAges cheese.\n\n## Category\nFood\n\n## Tools\n- Read\n"
    agent, problems = parse_agent_file(text, path=Path("x/cheese-ager.md"))
    assert agent is not None
    assert (agent.name, agent.title) == ("cheese-ager", "Cheese Ager")
    assert agent.description == "Ages cheese."
    assert (agent.tags, agent.tools) == (("Food",), ("Read",))
    assert [problem.code for problem in problems] == ["missing-name", "missing-description"]


def test_marks_before_lines_say_yes_and_no() -> None:
    text = "# a: b\n## When to use\n- ✅ Storms\n- ❌ Calm days\n- Use for:\n- Use when it hails\n"
    agent = parse(text)
    assert agent.when_to_use == ("Storms", "it hails")
    assert agent.metadata == {"not_for": ["Calm days"]}


def test_chinese_headings() -> None:
    agent = parse(
        "# 茶艺专家\n\n## 身份定位\n你是茶艺专家。\n\n## 核心职责\n- 泡茶\n\n## 技术专长\n- 绿茶\n"
    )
    assert agent.title == "茶艺专家"
    assert agent.description == "你是茶艺专家。"
    assert (agent.capabilities, agent.expertise) == (("泡茶",), ("绿茶",))


def test_skill_takes_its_folders_name() -> None:
    agent, problems = parse_agent_file(
        "---\ndescription: Folds maps without a crease.\n---\n",
        path=Path("skills/fold-maps/SKILL.md"),
    )
    assert agent is not None
    assert agent.name == "fold-maps"
    assert [problem.code for problem in problems] == ["missing-name"]


def test_text_without_a_path_is_named_by_its_title() -> None:
    assert parse_agent("# Moss Expert\n## Role\nKnows moss.").name == "moss-expert"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "# Agents\n\n## When to Use\n- Always\n"),
        ("TESTING.md", "# How to test\n"),
        ("AGENT_CHECKLIST.md", "# List\n\n## Description\n- [ ] Short\n"),
        (
            "salt-glossary.md",
            "---\nname: salt-glossary\ndescription: Words of salt.\n---\n# Words\n",
        ),
        ("notes.md", "# Notes\n\n## Overview\nSome notes.\n"),
        ("empty.md", "  \n\n"),
        ("post.md", "---\ntitle: A post\ndate: 2024-01-01\n---\nProse.\n"),
    ],
)
def test_documents_are_no_agents(name: str, text: str) -> None:
    agent, problems = parse_agent_file(text, path=Path(name))
    assert agent is None
    assert (problems[0].severity, problems[0].code) == ("note", "not-an-agent")
    with pytest.raises(AgentFileError):
        parse_agent(text, path=Path(name))


def test_an_agent_may_be_called_like_a_document() -> None:
    text = "---\nname: readme\ndescription: Writes them.\ntools: Read\n---\n"
    assert parse(text, "readme.md").name == "readme"


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_and_byte_order_mark_change_nothing(newline: str) -> None:
    plain = parse(REFERENCE)
    assert parse("\ufeff" + REFERENCE.replace("\n", newline)) == plain


def test_description_falls_back_to_the_opening_paragraph() -> None:
    agent, problems = parse_agent_file("---\nname: a\n---\nYou are a diver.\n", path=Path("a.md"))
    assert agent is not None
    assert (agent.description, agent.purpose) == ("You are a diver.", ())
    assert [problem.code for problem in problems] == ["missing-description"]
