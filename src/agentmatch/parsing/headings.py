"""Say which field of an agent a heading stands for.

Authors write "When to Use", "## 🎯 Use cases:" and "Use this agent when" for one thing,
and "When invoked" or "Integration with other agents" for quite another. The tables here
hold every spelling that was met in about 2,400 agent files; a heading is compared after
emoji, numbers, markup and ornamental words ("Your", "Core") are taken off.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

DESCRIPTION = "description"
WHEN_TO_USE = "when_to_use"
EXAMPLE_TASKS = "example_tasks"
CAPABILITIES = "capabilities"
EXPERTISE = "expertise"
PURPOSE = "purpose"
WORKFLOW = "workflow"
BEST_PRACTICES = "best_practices"
SUCCESS_METRICS = "success_metrics"
TAGS = "tags"
TOOLS = "tools"
NOT_FOR = "not_for"
"""Work that the agent does not take: kept in the metadata, never indexed."""
OTHER = "other"
"""Known to be about something else: other agents, output, protocols, code."""

_SYNONYMS: dict[str, str] = {
    DESCRIPTION: """
        description; agent description; short description; 描述; 简介
    """,
    WHEN_TO_USE: """
        when to use; when to activate; when to invoke; when to call; when to engage;
        when to choose; when should i be used; when to use it; when to use me; use cases;
        use case; use when; use this when; use for; use it for; use me when; use me for;
        use this agent when; use this agent for; use this agent to; use this skill when;
        best use cases; ideal use cases; typical use cases; common use cases;
        primary use cases; main use cases; usage scenarios; ideal for; best for;
        perfect for; suitable for; good for; best suited for; activate when; invoke when;
        activation criteria; activation conditions; activation triggers; triggers;
        trigger conditions; trigger when; when users need; situations; ideal scenarios;
        applicable scenarios; 使用场景; 适用场景; 何时使用; 应用场景; 触发条件
    """,
    EXAMPLE_TASKS: """
        example tasks; example task; example interactions; example interaction;
        example requests; example request; example prompts; example prompt;
        example queries; example query; example questions; example use cases;
        example use case; example scenarios; example user requests; example commands;
        example triggers; sample tasks; sample requests; sample prompts; sample queries;
        sample questions; sample interactions; typical tasks; typical requests;
        typical questions; typical queries; common requests;
        common questions; common scenarios; common scenarios you excel at;
        common scenarios you handle; test prompts; test phrases; chat prompt;
        chat prompts; try asking; things to ask; what to ask; you can ask;
        sample user requests; tasks you can give me; prompt starters;
        conversation starters; starter prompts; 示例任务; 示例请求
    """,
    CAPABILITIES: """
        capabilities; capability; what i can do; what you can do; what i do; what you do;
        what this agent does; what it does; what it can do; competencies; competences;
        responsibilities; responsibility; duties; services; functions; main functions;
        i can help you with; i can help with; how i can help; how i can help you;
        what i can help with; what i can help you with; what you get help with;
        abilities; features; skills; tasks; main tasks; advanced capabilities you know;
        核心能力; 核心职责; 职责; 能力; 主要职责; 功能; 核心功能
    """,
    EXPERTISE: """
        expertise; expertise areas; areas of expertise; area of expertise; expert in;
        domain expertise; focus areas; focus area; areas of focus; knowledge base;
        knowledge; knowledge areas; domain knowledge; what you know; technical stack;
        tech stack; technology stack; technologies; technical skills; specializations;
        specialisations; specialties; specialities; specialization areas;
        areas of specialization; technical knowledge; stack; subject matter expertise;
        frameworks and languages; languages and frameworks; languages; frameworks;
        expertise domains; domains; 技术专长; 专业领域; 技术栈; 专长; 核心专长
    """,
    PURPOSE: """
        purpose; expert purpose; purpose and scope; role; role and purpose; roles;
        role definition; role description; mission; mission statement; overview;
        agent overview; identity; who you are; who i am; about; about this agent; persona;
        goal; goals; objective; objectives; role and objective; role and goals; summary;
        角色; 角色定位; 身份定位; 使命; 概述; 目标
    """,
    WORKFLOW: """
        workflow; workflows; workflow integration; workflow phases; workflow steps; process;
        approach; response approach; development approach; implementation approach;
        methodology; method; phases; steps; procedure; how i work; how you work;
        how it works; approach and methodology; work process; working process;
        development workflow; development process; execution workflow;
        implementation workflow; operating procedure; execution; approach and philosophy;
        工作流程; 流程; 工作模式
    """,
    BEST_PRACTICES: """
        best practices; guidelines; principles; design principles; guiding principles;
        operating principles; rules; ground rules; quality standards; standards;
        behavioral traits; behavioural traits; coding standards; philosophy; do and don't;
        dos and don'ts; best practices summary; general guidelines; important guidelines;
        critical rules; constraints; guardrails; 最佳实践; 原则; 准则
    """,
    SUCCESS_METRICS: """
        success metrics; success criteria; success indicators; success measures; kpis; kpi;
        key performance indicators; metrics; quality metrics; performance indicators;
        definition of done; measures of success; how success is measured; 成功指标; 成功标准
    """,
    TAGS: "category; categories; tags; keywords; division; trigger keywords; activation keywords",
    TOOLS: "tools; available tools; allowed tools",
    NOT_FOR: """
        when not to use; when not to use this agent; when not to use me; do not use;
        do not use when; do not use for; do not use this agent when; do not use this agent for;
        don't use when; don't use for; don't use; don't use this agent when;
        don't use this agent for; not for; not suitable for; not ideal for; not intended for;
        avoid using when; avoid using for; avoid when; avoid for; out of scope; what i don't do;
        what i do not do; what you don't do; what this agent does not do; what it is not for;
        never use for; never use when; skip when; limitations; not my job; 不适用场景
    """,
    OTHER: """
        when invoked; when called; when activated; when summoned; when to escalate;
        when to hand off; when to delegate; when to stop; when to ask for help;
        integration with other agents; integration with agents; agent integration;
        works with; work with; works well with; works best with; works alongside;
        this agent works effectively with; collaborates with; collaborate with;
        collaboration; collaboration patterns; collaborative workflows;
        collaboration with other agents; agent collaboration; collaboration protocol;
        team collaboration protocol; coordination; coordination with other agents;
        coordinates with; delegation; delegation examples; delegates to; delegate to;
        delegation patterns; handoff; handoffs; hand off to; handoff protocol; escalation;
        escalation paths; escalate to; available subagents; available agents;
        available sub-agents; subagents; related agents; related skills; see also;
        expected agents; agent roster; agents; quick selection guide; workflow position;
        distinctions; comparison with other agents; complementary agents; dependencies;
        output; outputs; output format; output formats; output examples; output schema;
        example output; example outputs; deliverables; deliver; response format;
        response structure; response style; report format; report back; examples of output;
        code examples; code example; example code; example usage; usage example;
        usage examples; example implementation; implementation examples; examples; example;
        communication protocol; communication protocols; communication style;
        progress tracking; progress reporting; delivery notification; delivery message;
        status updates; status update; status reporting; completion protocol;
        completion message format; memory protocol; context query; initial context query;
        project context query; references; reference; resources; further reading;
        test results; changelog; version history; license; prerequisites; installation;
        setup; templates; template; example workflow; example conversation template;
        enhanced capabilities with mcp tools; knowledge sources; sources;
        输出格式; 与其他代理协作; 响应模式
    """,
}

_ORNAMENTS = (
    "your", "my", "our", "the", "its", "this agent's", "agent", "core", "key", "main",
    "primary", "major", "essential", "specific", "specialized", "professional", "available",
)  # fmt: skip
"""Words before a heading that do not change what it stands for."""

_LAST_WORDS = {
    "capabilities": CAPABILITIES,
    "competencies": CAPABILITIES,
    "responsibilities": CAPABILITIES,
    "expertise": EXPERTISE,
    "specializations": EXPERTISE,
    "specialisations": EXPERTISE,
    "能力": CAPABILITIES,
    "职责": CAPABILITIES,
}
"""The last word of a heading such as "Cloud Platform Expertise" that decides it."""

MAX_WORDS_BEFORE_LAST = 5
"""Longer headings that end in such a word are sentences."""

_WHEN_TO_USE_STARTS = (
    "when to use", "when to activate", "when to invoke", "when to call", "when to engage",
    "use this agent", "use this skill", "use this mode", "use me",
)  # fmt: skip

_AGENT_WORDS = (
    "agent", "subagent", "sub-agent", "skill", "assistant", "mode", "persona", "specialist",
    "expert", "me", "it", "this", "for", "when", "to", "if",
)  # fmt: skip
"""How "When to use ..." must end to be about the agent itself, and not a pattern in it."""

_OTHER_AGENTS = (
    "other agents", "other agent", "other subagents", "other specialists", "vs", "versus",
    "instead", "another agent", "which agent",
)  # fmt: skip
"""Words that turn any heading into one about other agents."""


IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*")
"""An agent's name as one word, such as "backend-engineer"."""


@cache
def _table() -> dict[str, str]:
    return {
        phrase: field
        for field, phrases in _SYNONYMS.items()
        for phrase in (" ".join(entry.split()) for entry in phrases.split(";"))
        if phrase
    }


def field_of(heading: str) -> str | None:
    """Return the field that a heading stands for.

    Args:
        heading: The heading as plain text.

    Returns:
        The name of a field of Agent, NOT_FOR, OTHER, or None where the heading says
        nothing about it ("Databases").

    Example:
        >>> field_of("🎯 Your Core Capabilities:"), field_of("2. When to use this agent")
        ('capabilities', 'when_to_use')
        >>> field_of("When invoked:"), field_of("Caching strategies")
        ('other', None)
    """
    words = normalise_heading(heading)
    table = _table()
    while words:
        if words in table:
            return table[words]
        ornament = next((word for word in _ORNAMENTS if words.startswith(word + " ")), None)
        if ornament is None:
            return _field_by_words(words)
        words = words[len(ornament) + 1 :]
    return None


def _field_by_words(words: str) -> str | None:
    parts = words.split()
    padded = f" {words} "
    if any(f" {phrase} " in padded for phrase in _OTHER_AGENTS):
        return OTHER
    if words.startswith("integration with"):
        return WORKFLOW if "workflow" in parts else OTHER
    if words.startswith(_WHEN_TO_USE_STARTS):
        if " not " in padded:
            return NOT_FOR
        return WHEN_TO_USE if parts[-1] in _AGENT_WORDS else None
    if words.endswith(" focus areas"):
        return EXPERTISE
    if len(parts) <= MAX_WORDS_BEFORE_LAST + 1:
        return _LAST_WORDS.get(parts[-1])
    return None


def normalise_heading(heading: str) -> str:
    """Reduce a heading to lower-case words without emoji, numbering and punctuation.

    Example:
        >>> normalise_heading("**3.2)** Languages & Frameworks:")
        'languages and frameworks'
    """
    text = unicodedata.normalize("NFKC", heading).casefold().replace("&", " and ")
    text = text.replace("’", "'")
    kept = "".join(
        character if character.isalnum() or character in "'-" else " " for character in text
    )
    words = [word.strip("-'") for word in kept.split()]
    words = [word for word in words if word]
    while words and (words[0].isdecimal() or (words[0] in _NUMBERING and len(words) > 1)):
        words = words[1:]
    return " ".join(words)


_NUMBERING = frozenset({"ii", "iii", "iv", "vi", "section", "part"})
"""First words that number a heading, together with the digits."""


def split_title(title: str) -> tuple[str, str]:
    """Split "backend-engineer: Backend Specialist" into name and title.

    Args:
        title: The title heading.

    Returns:
        The name and the title; the name is "" where the heading has none.
    """
    name, colon, rest = title.partition(":")
    if colon and rest.strip() and IDENTIFIER.fullmatch(name.strip()):
        return name.strip(), rest.strip()
    return "", title
