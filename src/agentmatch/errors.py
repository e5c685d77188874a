"""Every error that agentmatch raises on purpose.

    AgentMatchError
    ├─ CatalogueError             a catalogue cannot be used as asked
    │  ├─ NoAgentsError           nothing in it is an agent
    │  ├─ DuplicateAgentError     one name, several files (strict loading)
    │  ├─ AgentFileError          one agent file cannot be read
    │  └─ UnknownAgentError       no agent of that name
    ├─ IndexFolderError           a saved index cannot be used
    │  ├─ IndexNotFoundError
    │  ├─ IndexFormatError        written by another version of agentmatch
    │  ├─ IndexCorruptError       truncated or edited
    │  ├─ IndexStaleError         the catalogue changed since it was built
    │  └─ IndexMismatchError      built with another encoder
    ├─ ModelError                 an embedding model cannot be used
    │  ├─ ModelNotFoundError
    │  ├─ ModelChecksumError      its weights are not the published ones
    │  └─ UnsupportedModelError   the runtime asked for cannot run it
    ├─ ServerError                a server cannot be started, reached or understood
    ├─ OptionalDependencyError    a package that a part of agentmatch needs is missing
    └─ InvalidRequestError        a request that cannot be answered (also ValueError)

Each message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class AgentMatchError(Exception):
    """Stand at the root of every error that agentmatch raises on purpose."""


class CatalogueError(AgentMatchError):
    """Report a catalogue that cannot be used as asked.

    Attributes:
        path: The catalogue's folder or file.
    """

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = Path(path)
        self.problem = problem


class NoAgentsError(CatalogueError):
    """Report a folder or file in which nothing is an agent."""


class DuplicateAgentError(CatalogueError):
    """Report one agent name that several files claim.

    Attributes:
        name: The name.
        paths: Every file that claims it.
    """

    def __init__(self, path: Path | str, name: str, paths: Sequence[Path | str]) -> None:
        listed = ", ".join(str(entry) for entry in paths)
        super().__init__(
            path,
            f"{len(paths)} files define an agent named {name!r}: {listed}; "
            "rename all but one, or load without strict",
        )
        self.name = name
        self.paths = tuple(Path(entry) for entry in paths)


class AgentFileError(CatalogueError):
    """Report one agent file that cannot be read.

    Attributes:
        line: The 1-based line of the problem, or None where it has none.
    """

    def __init__(self, path: Path | str, problem: str, line: int | None = None) -> None:
        place = f"{path}:{line}" if line is not None else str(path)
        super().__init__(place, problem)
        self.path = Path(path)
        self.line = line


class UnknownAgentError(CatalogueError):
    """Report an agent name that the catalogue does not hold."""


class IndexFolderError(AgentMatchError):
    """Report a saved index that cannot be used.

    Attributes:
        path: The index folder.
    """

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = Path(path)
        self.problem = problem


class IndexNotFoundError(IndexFolderError):
    """Report a folder that holds no index."""


class IndexFormatError(IndexFolderError):
    """Report an index that another version of agentmatch wrote."""


class IndexCorruptError(IndexFolderError):
    """Report an index of which a file is missing, truncated or edited."""


class IndexStaleError(IndexFolderError):
    """Report an index that is older than the catalogue it was built from."""


class IndexMismatchError(IndexFolderError):
    """Report an index that was built with another encoder."""


class ModelError(AgentMatchError):
    """Report an embedding model that cannot be used.

    Attributes:
        model: The model's name or path as the caller gave it.
    """

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"model {model!r}: {problem}")
        self.model = model
        self.problem = problem


class ModelNotFoundError(ModelError):
    """Report a model that is neither a local folder nor already downloaded."""


class UnsupportedModelError(ModelError):
    """Report a model that a runtime cannot run."""


class ModelChecksumError(ModelError):
    """Report model weights that differ from the published ones."""


class RequestSetError(AgentMatchError):
    """Report a file of labelled requests that cannot be used.

    Attributes:
        path: The file.
        line: The 1-based line of the first problem, or None where it has none.
    """

    def __init__(self, path: Path | str, problem: str, line: int | None = None) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = Path(path)
        self.problem = problem
        self.line = line


class RunFileError(AgentMatchError):
    """Report a saved evaluation run that cannot be used.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = Path(path)
        self.problem = problem


class ServerError(AgentMatchError):
    """Report a server that cannot be started, reached or understood.

    Attributes:
        url: Its address.
    """

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"{url}: {problem}")
        self.url = url
        self.problem = problem


class OptionalDependencyError(AgentMatchError):
    """Report that a part of agentmatch needs a package which is not installed.

    Attributes:
        extra: The extra of agentmatch that installs it.
        missing: The package.
    """

    def __init__(self, feature: str, extra: str, missing: str) -> None:
        super().__init__(
            f"{feature} needs the package {missing!r}, which is not installed; run: "
            f"python -m pip install 'agentmatch[{extra}]'"
        )
        self.extra = extra
        self.missing = missing


class InvalidRequestError(AgentMatchError, ValueError):
    """Report a request, or an option of one, that cannot be answered."""
