"""Properties of parsing: it survives anything, and gives back what was written."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agentmatch.errors import AgentFileError
from agentmatch.parsing import parse_agent, parse_agent_file, parse_json_lines, strip_boilerplate
from agentmatch.types import Agent

EXAMPLES = 150

SEEDS = (
    """---
name: oar-maker
description: "Carves oars. Use when one breaks. <example>Context: sea. user: 'Mine broke'
  assistant: 'Ok'</example>"
tools: Read, Write
---

You are a carver.

When invoked:
1. Look

## Capabilities
### Woods
- **Ash**: light

## Example Tasks
- "Carve one"
""",
    """# net-mender: Net Mender

## Description
Mends nets.

## When to Use
- A hole

| a | b |
|---|---|
| c | d |

```yaml
agent:
  id: x
```
""",
    """# x

```yaml
agent:
  name: Ida
  id: buoy
  whenToUse: Use for buoys
persona:
  role: Keeper
commands:
  - paint {buoy}: Paint it
```
""",
    """---
description: 'Reads charts'
auto_activate:
  keywords: [a, b]
  conditions: [c]
examples:
  - trigger: t
capabilities: &x
  - y
more: *x
since: 2024-01-01
---
<examples>
<example>
user: Go
</example>
</examples>
**Use when:** fog
""",
)
PIECES = (
    "---", "\n", ":", "- ", "  ", "\t", '"', "'", "<example>", "user:", "assistant:", "*", "#",
    "```", "&a ", "*a", "|", ">", "[", "{", "<!--", "\ufeff", "\0", "\u2028", "\ud800", "é", "🎯",
    "> ", "\r", "1. ", "&#0;", "\\n", "](", "name:", "agent:", "description:",
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 8))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 30)))
        inserted = draw(st.sampled_from(PIECES) | st.text(max_size=5))
        text = text[:start] + inserted * draw(st.integers(1, 3)) + text[end:]
    return text


def survives(text: str) -> None:
    path = Path("agents/any-agent.md")
    agent, problems = parse_agent_file(text, path=path)
    lines = max(1, text.count("\n") + text.count("\r") + 1)
    for problem in problems:
        assert problem.path == path
        assert problem.line is None or 1 <= problem.line <= lines
    if agent is None:
        assert problems
        try:
            parse_agent(text, path=path)
        except AgentFileError:
            return
        raise AssertionError("parse_agent returned what parse_agent_file did not")
    assert agent.name.strip() == agent.name != ""
    json.dumps(dict(agent.metadata), allow_nan=False)
    for section in (agent.when_to_use, agent.example_tasks, agent.capabilities, agent.purpose):
        assert all(line == " ".join(line.split()) != "" for line in section)
    assert strip_boilerplate([agent])[0].name == agent.name


@given(mutated())
@settings(max_examples=EXAMPLES, deadline=None)
def test_mutated_files_never_raise_anything_else(text: str) -> None:
    survives(text)


@given(st.text())
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_text_is_survived(text: str) -> None:
    survives(text)
    survives("---\n" + text)


@given(st.text())
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_json_lines_are_survived(text: str) -> None:
    agents, problems = parse_json_lines(text)
    assert len(agents) + len(problems) <= text.count("\n") + 1


@given(mutated())
@settings(max_examples=EXAMPLES, deadline=None)
def test_line_ends_change_nothing(text: str) -> None:
    text = text.replace("\r", "").replace("\ufeff", "")
    plain = parse_agent_file(text, path=Path("a.md"))
    assert parse_agent_file(text.replace("\n", "\r\n"), path=Path("a.md")) == plain
    assert parse_agent_file("\ufeff" + text, path=Path("a.md")) == plain


WORDS = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyzäöé", min_size=2, max_size=9), min_size=2, max_size=8
)
# A first word that no lead-in, speaker or negation starts with.
LINE = WORDS.map(lambda words: " ".join(["Zinc", *words]))
LINES = st.lists(LINE, max_size=5, unique=True).map(tuple)


def render(agent: Agent) -> str:
    """Write an agent in the reference format."""
    sections = {
        "Capabilities": agent.capabilities,
        "When to Use": agent.when_to_use,
        "Expertise Areas": agent.expertise,
        "Integration with the Release Workflow": agent.workflow,
        "Best Practices": agent.best_practices,
        "Example Tasks": tuple(f'"{task}"' for task in agent.example_tasks),
        "Success Metrics": agent.success_metrics,
    }
    text = f"# {agent.name}: {agent.title}\n\n## Description\n{agent.description}\n"
    for heading, lines in sections.items():
        text += f"\n## {heading}\n" + "".join(f"- {line}\n" for line in lines)
    return text


@given(
    st.builds(
        Agent,
        name=st.from_regex(r"[a-z]{2,8}(-[a-z]{2,8}){0,2}", fullmatch=True),
        title=LINE,
        description=LINE.map(lambda line: line + "."),
        when_to_use=LINES,
        example_tasks=LINES,
        capabilities=LINES,
        expertise=LINES,
        workflow=LINES,
        best_practices=LINES,
        success_metrics=LINES,
    )
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_rendered_agent_is_read_back(agent: Agent) -> None:
    text = render(agent)
    found = parse_agent(text)
    for name in Agent.__dataclass_fields__:
        if name not in ("body", "path"):
            assert getattr(found, name) == getattr(agent, name), name
    assert found.body == text
