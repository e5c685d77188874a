"""Which agent should do this task?

agentmatch reads folders of agent definitions and answers free-text requests with the
agents that fit, ranked, each with the passages that speak for it; offline.

    from agentmatch import AgentMatcher

    matcher = AgentMatcher.from_directory("agents/")
    for match in matcher.match("Implement user authentication with JWT", top_k=3):
        print(match.rank, match.agent.name, match.score, match.evidence[0].text)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from agentmatch.catalogue import load_catalogue
from agentmatch.checking import check_catalogue
from agentmatch.encoders import Encoder, SentenceTransformerEncoder
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
)
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
    Result,
    Rival,
    Signal,
)
from agentmatch.version import __version__

if TYPE_CHECKING:
    from agentmatch.evaluation.comparison import compare
    from agentmatch.evaluation.evaluate import evaluate
    from agentmatch.evaluation.leave_one_out import leave_one_out
    from agentmatch.evaluation.request_sets import LabelledRequest, read_requests
    from agentmatch.evaluation.runs import Run

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
    "RequestSetError",
    "Result",
    "Rival",
    "Run",
    "RunFileError",
    "SentenceTransformerEncoder",
    "Signal",
    "UnknownAgentError",
    "__version__",
    "check_catalogue",
    "compare",
    "evaluate",
    "leave_one_out",
    "load_catalogue",
    "parse_agent",
    "read_requests",
]

_EVALUATION = {
    "LabelledRequest": "request_sets",
    "Run": "runs",
    "compare": "comparison",
    "evaluate": "evaluate",
    "leave_one_out": "leave_one_out",
    "read_requests": "request_sets",
}


def __getattr__(name: str) -> Any:
    # Who only asks for agents should not wait for the evaluation to be imported.
    module = _EVALUATION.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.evaluation.{module}"), name)
