"""Which agent should do this task?

agentmatch reads folders of agent definitions and answers free-text requests with the
agents that fit, ranked, each with the passages that speak for it; offline.

    from agentmatch import AgentMatcher

    matcher = AgentMatcher.from_directory("agents/")
    for match in matcher.match("Implement user authentication with JWT", top_k=3):
        print(match.rank, match.agent.name, match.score, match.evidence[0].text)
"""

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
    "Match",
    "ModelChecksumError",
    "ModelError",
    "ModelNotFoundError",
    "NoAgentsError",
    "Passage",
    "Problem",
    "Result",
    "Rival",
    "SentenceTransformerEncoder",
    "Signal",
    "UnknownAgentError",
    "__version__",
    "check_catalogue",
    "load_catalogue",
    "parse_agent",
]
