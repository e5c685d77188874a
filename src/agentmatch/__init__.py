"""Which agent should do this task?

agentmatch reads folders of agent definitions and answers free-text requests with the
agents that fit, ranked, each with the passages that speak for it; offline.

    from agentmatch import AgentMatcher

    matcher = AgentMatcher.from_directory("agents/")
    for match in matcher.match("Implement user authentication with JWT", top_k=3):
        print(match.rank, match.agent.name, match.score, match.evidence[0].text)
"""

from typing import TYPE_CHECKING

from agentmatch.version import __version__

if TYPE_CHECKING:
    from agentmatch.catalogue import load_catalogue
    from agentmatch.checking import check_catalogue
    from agentmatch.encoders import Encoder, SentenceTransformerEncoder, load_encoder
    from agentmatch.errors import (
        AgentFileError,
        AgentMatchError,
        CatalogueError,
        DuplicateAgentError,
        IndexCorruptError,
        IndexFolderError,
        IndexFormatError,
        IndexMismatchError,
        IndexNotFoundError,
        IndexStaleError,
        InvalidRequestError,
        ModelChecksumError,
        ModelError,
        ModelNotFoundError,
        NoAgentsError,
        RequestSetError,
        RunFileError,
        UnknownAgentError,
        UnsupportedModelError,
    )
    from agentmatch.evaluation.comparison import compare
    from agentmatch.evaluation.evaluate import evaluate
    from agentmatch.evaluation.leave_one_out import leave_one_out
    from agentmatch.evaluation.request_sets import LabelledRequest, read_requests
    from agentmatch.evaluation.runs import Run
    from agentmatch.matcher import AgentMatcher
    from agentmatch.parsing import parse_agent
    from agentmatch.types import (
        Agent,
        Catalogue,
        Evidence,
        Explanation,
        Match,
        Passage,
        Problem,
        RequestPart,
        Result,
        Rival,
        Signal,
        Team,
        TeamMember,
    )

__all__ = [
    "Agent",
    "AgentFileError",
    "AgentMatchError",
    "AgentMatcher",
    "Catalogue",
    "CatalogueError",
    "DuplicateAgentError",
    "Encoder",
    "Evidence",
    "Explanation",
    "IndexCorruptError",
    "IndexFolderError",
    "IndexFormatError",
    "IndexMismatchError",
    "IndexNotFoundError",
    "IndexStaleError",
    "InvalidRequestError",
    "LabelledRequest",
    "Match",
    "ModelChecksumError",
    "ModelError",
    "ModelNotFoundError",
    "NoAgentsError",
    "Passage",
    "Problem",
    "RequestPart",
    "RequestSetError",
    "Result",
    "Rival",
    "Run",
    "RunFileError",
    "SentenceTransformerEncoder",
    "Signal",
    "Team",
    "TeamMember",
    "UnknownAgentError",
    "UnsupportedModelError",
    "__version__",
    "check_catalogue",
    "compare",
    "evaluate",
    "leave_one_out",
    "load_catalogue",
    "load_encoder",
    "parse_agent",
    "read_requests",
]

_MODULES = {
    "AgentMatcher": "matcher",
    "Encoder": "encoders",
    "LabelledRequest": "evaluation.request_sets",
    "Run": "evaluation.runs",
    "SentenceTransformerEncoder": "encoders",
    "check_catalogue": "checking",
    "compare": "evaluation.comparison",
    "evaluate": "evaluation.evaluate",
    "leave_one_out": "evaluation.leave_one_out",
    "load_catalogue": "catalogue",
    "load_encoder": "encoders",
    "parse_agent": "parsing",
    "read_requests": "evaluation.request_sets",
}


def __getattr__(name: str) -> object:
    # Imported when first asked for, so that the command line can set up NumPy's threads
    # before anything imports NumPy, and starts without what its command does not need.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = _MODULES.get(name, "errors" if name.endswith("Error") else "types")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
