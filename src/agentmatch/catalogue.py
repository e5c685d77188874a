"""Load a catalogue of agents from the disk: a folder, one file, or the built-in agents."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from agentmatch.errors import AgentFileError, CatalogueError, DuplicateAgentError, NoAgentsError
from agentmatch.types import Agent, Catalogue, Problem

BUILTIN = "builtin"
"""The name that stands for the agents which agentmatch brings along."""

MARKDOWN_SUFFIXES = (".md", ".markdown")
"""Files of a folder that may be agents, in lower case."""

AGENT_LINES = "agents.jsonl"
"""The file of a folder, in lower case, that holds one agent a line."""

LINES_SUFFIXES = (".jsonl", ".ndjson")
"""A file given by its own path is read as JSON lines with one of these suffixes."""

SKIPPED_FOLDERS = frozenset({
    ".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", ".cache", ".idea", ".vscode",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", ".Trash",
    "node_modules", "__pycache__", "site-packages",
})  # fmt: skip
"""Folders that hold no agents of the author; other hidden ones (.claude) may."""

MAX_FILE_BYTES = 8_000_000
"""Larger Markdown files are no agent definitions and are not read."""

MAX_LINES_BYTES = 1_000_000_000
"""A larger file of JSON lines is not read: it would not fit into memory several times."""

FileContent = tuple[Sequence[Agent], Sequence[Problem]]
"""The agents and the problems of one file."""

_SKILL_FILE = "skill.md"


def load_catalogue(
    path: str | os.PathLike[str],
    *,
    strict: bool = False,
    read: Callable[[Path], FileContent] | None = None,
) -> Catalogue:
    """Load every agent of a folder or file.

    A folder is walked in the order of its relative paths, so that the same files give
    the same catalogue on every machine. One bad file never costs the others: it is
    reported in `Catalogue.problems`.

    Args:
        path: A folder, a Markdown file, a file of JSON lines, or "builtin".
        strict: Raise an error for the first file that cannot be read and the first
            name that two files claim, instead of reporting them.
        read: Reads one file; `read_file` where none is given.

    Returns:
        The catalogue.

    Raises:
        CatalogueError: There is no such file or folder.
        NoAgentsError: Nothing in it is an agent.
        AgentFileError: With `strict`: a file, or a line of one, cannot be read.
        DuplicateAgentError: With `strict`: two files claim one name.
    """
    # The parser takes longer to load than an index that is up to date takes to answer.
    from agentmatch.parsing import strip_boilerplate

    root = resolve_path(path)
    agents: list[Agent] = []
    problems: list[Problem] = []
    for file in _files(root, problems):
        found, reported = (read or read_file)(file)
        agents += found
        problems += reported
    if strict:
        _raise_first_error(problems)
    if not agents:
        raise NoAgentsError(root, _nothing_found(root, problems))
    agents.sort(key=lambda agent: (agent.name, _posix(agent.path)))
    duplicates = _duplicates(agents)
    if strict and duplicates:
        name, paths = duplicates[0]
        raise DuplicateAgentError(root, name, paths)
    problems += [_duplicate_problem(name, paths) for name, paths in duplicates]
    problems.sort(key=lambda problem: (_posix(problem.path), problem.line or 0, problem.code))
    return Catalogue(root, strip_boilerplate(agents), tuple(problems))


def resolve_path(path: str | os.PathLike[str]) -> Path:
    """Return the folder or file that a catalogue's name stands for.

    Args:
        path: A folder, a file, or "builtin".

    Returns:
        An existing path.

    Raises:
        CatalogueError: There is no such file or folder.
    """
    root = builtin_folder() if str(path) == BUILTIN else Path(path)
    # Path.exists raises for a name that is too long or a folder that may not be entered.
    if not os.path.exists(root):  # noqa: PTH110
        raise CatalogueError(root, "there is no such file or folder")
    return root


def candidate_files(root: Path) -> list[tuple[str, str]]:
    """List every file of a catalogue that may define an agent.

    Args:
        root: The folder or file, as `resolve_path` returns it.

    Returns:
        Each file's path relative to the folder (for a file, its name), sorted, and the
        path to open it by.
    """
    # Plain strings: a large catalogue is looked at before each answer.
    base = root if root.is_dir() else root.parent
    return [(name, os.path.join(base, name)) for name in _names(root, [])]  # noqa: PTH118


def unique_agents(agents: Iterable[Agent]) -> tuple[Agent, ...]:
    """Keep one agent a name: the first by path, whatever the order given.

    Args:
        agents: Agents, some perhaps of one name.

    Returns:
        Agents of different names, sorted by name.
    """
    first: dict[str, Agent] = {}
    for agent in sorted(agents, key=lambda agent: (agent.name, _posix(agent.path))):
        first.setdefault(agent.name, agent)
    return tuple(first.values())


def builtin_folder() -> Path:
    """Return the folder of the agents that agentmatch brings along.

    The wheel carries it inside the package; a source checkout has it beside `src`.
    """
    packaged = Path(__file__).parent / "builtin_agents"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "agents"


def decode(data: bytes, path: Path | None = None) -> tuple[str, tuple[Problem, ...]]:
    """Decode the bytes of a file, whatever its encoding and line ends.

    Args:
        data: The file.
        path: Its path, for the problems.

    Returns:
        The text with line feeds only, and a warning where bytes are no UTF-8.
    """
    encoding = "utf-8"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    problems: tuple[Problem, ...] = ()
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not valid {encoding.upper()}; unreadable bytes became U+FFFD"
        problems = (Problem("warning", "invalid-encoding", message, path, line),)
        text = data.decode(encoding, "replace")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text, problems


def find_line(agent: Agent, text: str) -> int | None:
    """Find the line of an agent's file that holds one of its texts.

    Args:
        agent: The agent.
        text: A line of one of its sections.

    Returns:
        The 1-based line, or None where the file is gone or its Markdown differs.
    """
    if agent.path is None:
        return None
    try:
        lines = decode(agent.path.read_bytes())[0].split("\n")
    except OSError:
        return None
    return next((number for number, line in enumerate(lines, start=1) if text in line), None)


def read_file(file: Path) -> FileContent:
    """Read the agents of one file.

    Args:
        file: A file of a catalogue.

    Returns:
        Its agents, and everything worth telling its author.
    """
    from agentmatch.parsing import parse_agent_file, parse_json_lines

    try:
        status = file.stat()
        # A pipe would be waited for, a device read for ever.
        if not stat.S_ISREG(status.st_mode):
            return (), [Problem("error", "unreadable-file", "no regular file", file)]
        lines = file.suffix.lower() in LINES_SUFFIXES
        most = MAX_LINES_BYTES if lines else MAX_FILE_BYTES
        if status.st_size > most:
            message = f"larger than {most:,} bytes; it was not read"
            return (), [Problem("error", "file-too-large", message, file)]
        data = file.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        return (), [Problem("error", "unreadable-file", message, file)]
    text, problems = decode(data, file)
    if lines:
        agents, found = parse_json_lines(text, path=file)
        return agents, [*problems, *found]
    agent, found = parse_agent_file(text, path=file)
    return (() if agent is None else (agent,)), [*problems, *found]


def _files(root: Path, problems: list[Problem]) -> list[Path]:
    """List the files that may be agents, sorted by relative path."""
    return [root / name for name in _names(root, problems)] if root.is_dir() else [root]


def _names(root: Path, problems: list[Problem]) -> list[str]:
    return sorted(_walk(root, "", problems, set())) if root.is_dir() else [root.name]


def _walk(root: Path, folder: str, problems: list[Problem], visited: set[str]) -> Iterator[str]:
    """Yield paths below a folder, relative to the root ("" for the root itself)."""
    # A link to a folder that encloses it would be walked for ever.
    real = os.path.realpath(root / folder)
    if real in visited:
        return
    visited.add(real)
    try:
        with os.scandir(root / folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        message = f"the folder cannot be read: {error.strerror or error}"
        problems.append(Problem("error", "unreadable-folder", message, root / folder))
        return
    prefix = f"{folder}/" if folder else ""
    skill = next((entry.name for entry in entries if entry.name.lower() == _SKILL_FILE), None)
    for entry in entries:
        path = prefix + entry.name
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
        if _is_folder(entry):
            if entry.name not in SKIPPED_FOLDERS:
                inner = _walk(root, path, problems, visited)
                if skill is None:
                    yield from inner
                else:
                    yield from _keep_skills(root, inner, prefix + skill, problems)
        elif entry.name.startswith("."):
            continue
        elif suffix in MARKDOWN_SUFFIXES:
            if skill is None or entry.name == skill:
                yield path
            else:
                problems.append(_part_of_skill(root / path, root / prefix / skill))
        elif entry.name.lower() == AGENT_LINES:
            yield path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _keep_skills(
    root: Path, files: Iterator[str], skill: str, problems: list[Problem]
) -> Iterator[str]:
    """Keep the skills below a skill's folder; all else there is its material."""
    for path in files:
        if path.lower().rpartition("/")[2] == _SKILL_FILE:
            yield path
        else:
            problems.append(_part_of_skill(root / path, root / skill))


def _part_of_skill(file: Path, skill: Path) -> Problem:
    message = f"left out: it belongs to the skill {skill.parent.name!r}"
    return Problem("note", "part-of-a-skill", message, file)


def _duplicates(agents: Sequence[Agent]) -> list[tuple[str, list[Path]]]:
    paths: dict[str, list[Path]] = defaultdict(list)
    for agent in agents:
        paths[agent.name].append(agent.path or Path())
    return [(name, found) for name, found in paths.items() if len(found) > 1]


def _duplicate_problem(name: str, paths: Sequence[Path]) -> Problem:
    listed = ", ".join(dict.fromkeys(str(path) for path in paths))
    message = f"{len(paths)} agents are named {name!r}: {listed}; rename all but one"
    return Problem("error", "duplicate-name", message, paths[0])


def _raise_first_error(problems: Sequence[Problem]) -> None:
    for problem in problems:
        if problem.severity == "error":
            raise AgentFileError(problem.path or Path(), problem.message, problem.line)


def _nothing_found(root: Path, problems: Sequence[Problem]) -> str:
    reasons = [str(problem) for problem in problems if problem.severity != "warning"][:3]
    if not root.is_dir():
        return "no agent in this file: " + "; ".join(reasons) if reasons else "it is empty"
    looked_for = (
        "no agents found; looked in all its folders for Markdown files (*.md) with a name or "
        f"description, skills (SKILL.md) and {AGENT_LINES}"
    )
    return looked_for + (f"; left out: {'; '.join(reasons)}" if reasons else "")


def _posix(path: Path | None) -> str:
    return path.as_posix() if path is not None else ""
