"""Decide whether a Markdown file defines an agent, and say why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from agentmatch.parsing import headings
from agentmatch.parsing.headings import split_title
from agentmatch.parsing.sections import Sections

DOCUMENT_NAMES = frozenset({
    "readme", "license", "licence", "copying", "notice", "authors", "changelog", "history",
    "contributing", "contributors", "code_of_conduct", "code-of-conduct", "security", "support",
    "governance", "maintainers", "todo", "roadmap", "index", "source", "summary", "claude",
    "agents", "gemini", "copilot-instructions", "pull_request_template", "issue_template",
    "template", "installation", "install", "faq", "usage", "testing", "overview",
})  # fmt: skip
"""Names of files that document a catalogue, without their suffix and in lower case."""

DOCUMENT_WORDS = frozenset({"readme", "checklist", "glossary", "changelog", "license", "licence"})
"""Last words of a file's name that mark it as a document ("finance-glossary.md")."""

AGENT_SUFFIXES = (".agent", ".chatmode", ".subagent", ".skill")
"""What may stand between a file's name and ".md"; each also says: this is an agent."""

SKILL_FILE = "skill.md"
"""The file, in lower case, that makes a folder a skill."""

_SUFFICIENT_FIELDS = {headings.DESCRIPTION, headings.WHEN_TO_USE}
"""Sections that only agents have."""

_SUPPORTING_FIELDS = {headings.CAPABILITIES, headings.EXAMPLE_TASKS, headings.EXPERTISE}
"""Sections that make a file with a heading "# name: Title" an agent."""

_CONFIGURING_KEYS = ("tools", "model", "color", "capabilities", "permissionMode", "mode")
"""Front-matter keys that only agents have."""

_ADDRESSES_AGENT = re.compile(r"(?:you are|you're|act as|your role is|你是)\b", re.IGNORECASE)


def bare_name(path: PurePath) -> str:
    """Return a file's name without ".md" and without ".agent" and the like.

    Example:
        >>> bare_name(PurePath("agents/api-expert.agent.md"))
        'api-expert'
    """
    stem = path.stem
    for suffix in AGENT_SUFFIXES:
        if stem.lower().endswith(suffix) and len(stem) > len(suffix):
            return stem[: -len(suffix)]
    return stem


def is_skill(path: PurePath) -> bool:
    """Tell whether a file is the definition of a skill folder."""
    return path.name.lower() == SKILL_FILE


def why_no_agent(
    path: PurePath | None,
    front_matter: Mapping[str, Any] | None,
    sections: Sections,
    text: str,
) -> str | None:
    """Say why a Markdown file without a BMAD block is no agent, or None if it is one.

    Args:
        path: The file.
        front_matter: Its front matter, or None where it has none.
        sections: Its sections.
        text: Its body.
    """
    if not text.strip() and not front_matter:
        return "it is empty"
    named = _has_text(front_matter, "name")
    described = _has_text(front_matter, "description")
    addressed = any(_ADDRESSES_AGENT.match(line) for line in sections.opening)
    configured = any(_has_text(front_matter, key) for key in _CONFIGURING_KEYS)
    if path is not None:
        stem = path.stem.casefold()
        if is_skill(path) or stem.endswith(AGENT_SUFFIXES):
            return None
        is_document = stem in DOCUMENT_NAMES or re.split(r"[-_. ]", stem)[-1] in DOCUMENT_WORDS
        # Documents may have a name and description too; only an agent is told who it is.
        if is_document and not (named and described and (addressed or configured)):
            return f"{path.name} is the name of a document"
    if named or described:
        return None
    name, _ = split_title(sections.title)
    if sections.has_role or sections.found & _SUFFICIENT_FIELDS:
        return None
    if name and sections.found & _SUPPORTING_FIELDS:
        return None
    if addressed:
        return None
    return (
        "it has no front matter with a name or description, no '# name: Title', and no section "
        "such as 'Role', 'Description' or 'When to use'"
    )


def _has_text(values: Mapping[str, Any] | None, key: str) -> bool:
    return bool(values) and bool(str((values or {}).get(key) or "").strip())
