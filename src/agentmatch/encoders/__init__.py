"""Text encoders: what turns requests and passages into vectors."""

from agentmatch.encoders.base import Encoder
from agentmatch.encoders.loading import load_encoder
from agentmatch.encoders.models import DEFAULT_MODEL
from agentmatch.encoders.sentence_transformer import SentenceTransformerEncoder

__all__ = ["DEFAULT_MODEL", "Encoder", "SentenceTransformerEncoder", "load_encoder"]
