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
        OptionalDependencyError,
        RequestSetError,
        RunFileError,
        ServerError,
        UnknownAgentError,
        UnsupportedModelError,
    )
    from agentmatch.evaluation.comparison import compare
    from agentmatch.evaluation.evaluate import evaluate
    from agentmatch.evaluation.leave_one_out import leave_one_out
    from agentmatch.evaluation.request_sets import LabelledRequest, read_requests
    from agentmatch.evaluation.runs import Run
    from agentmatch.feedback import feedback_file, record_feedback
    from agentmatch.matcher import AgentMatcher
    from agentmatch.parsing import parse_agent
    from agentmatch.training.fine_tuning import FineTuningReport, fine_tune
    from agentmatch.tuning.head import TunedHead
    from agentmatch.tuning.report import DoubtfulLabel, Quality, TuningReport
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
    "DoubtfulLabel",
    "DuplicateAgentError",
    "Encoder",
    "Evidence",
    "Explanation",
    "FineTuningReport",
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
    "OptionalDependencyError",
    "Passage",
    "Problem",
    "Quality",
    "RequestPart",
    "RequestSetError",
    "Result",
    "Rival",
    "Run",
    "RunFileError",
    "SentenceTransformerEncoder",
    "ServerError",
    "Signal",
    "Team",
    "TeamMember",
    "TunedHead",
    "TuningReport",
    "UnknownAgentError",
    "UnsupportedModelError",
    "__version__",
    "check_catalogue",
    "compare",
    "evaluate",
    "feedback_file",
    "fine_tune",
    "leave_one_out",
    "load_catalogue",
    "load_encoder",
    "parse_agent",
    "read_requests",
    "record_feedback",
]

_MODULES = {
    "AgentMatcher": "matcher",
    "DoubtfulLabel": "tuning.report",
    "Encoder": "encoders",
    "FineTuningReport": "training.fine_tuning",
    "LabelledRequest": "evaluation.request_sets",
    "Quality": "tuning.report",
    "Run": "evaluation.runs",
    "SentenceTransformerEncoder": "encoders",
    "TunedHead": "tuning.head",
    "TuningReport": "tuning.report",
    "check_catalogue": "checking",
    "compare": "evaluation.comparison",
    "evaluate": "evaluation.evaluate",
    "feedback_file": "feedback",
    "fine_tune": "training.fine_tuning",
    "leave_one_out": "evaluation.leave_one_out",
    "load_catalogue": "catalogue",
    "load_encoder": "encoders",
    "parse_agent": "parsing",
    "read_requests": "evaluation.request_sets",
    "record_feedback": "feedback",
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
