"""Choose the runtime of a model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agentmatch.encoders.models import DEFAULT_MODEL
from agentmatch.encoders.sentence_transformer import SentenceTransformerEncoder
from agentmatch.errors import UnsupportedModelError

if TYPE_CHECKING:
    from agentmatch.encoders.bert_encoder import BertEncoder

logger = logging.getLogger("agentmatch")


def load_encoder(
    model: str = DEFAULT_MODEL, *, runtime: str | None = None
) -> BertEncoder | SentenceTransformerEncoder:
    """Return the fastest encoder that runs a model as its authors made it.

    Args:
        model: A model folder, the name of a hub model in the local cache, or the
            default one, which comes with this package.
        runtime: "numpy" (starts at once), "onnxruntime" (for many texts) or
            "sentence-transformers" (any model, but takes seconds to start). Where none
            is given, models of the BERT family use the first two, each where it is
            faster, and all others the third. Every runtime of a model gives the same
            vectors, up to rounding, and the same fingerprint.

    Returns:
        The encoder.

    Raises:
        UnsupportedModelError: The runtime asked for cannot run the model.
        ModelNotFoundError: The model is not on this machine.
        ModelChecksumError: The default model's weights are not the published ones.
        ValueError: There is no such runtime.
    """
    if runtime == "sentence-transformers":
        return SentenceTransformerEncoder(model)
    from agentmatch.encoders.bert_encoder import BertEncoder

    try:
        return BertEncoder(model, runtime=runtime)
    except UnsupportedModelError as error:
        if runtime is not None:
            raise
        logger.debug("%s", error)
        return SentenceTransformerEncoder(model)
