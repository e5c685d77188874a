"""Run a BERT encoder in onnxruntime, on the weights of its safetensors file.

The ONNX graph is built straight from the model's description, with the fused operators
that onnxruntime's own optimiser would put in. It holds no weights: it names the places
of the tensors in the safetensors file, which onnxruntime maps. So the graph takes 20 kB;
it is kept in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agentmatch.encoders.base import Vectors
from agentmatch.encoders.bert_model import WEIGHTS, BertModel
from agentmatch.errors import ModelError
from agentmatch.files import cache_root, write_atomically

if TYPE_CHECKING:
    from onnx import ModelProto

logger = logging.getLogger("agentmatch")

GRAPH_FORMAT = 1
"""Changes with the graphs that `build_graph` makes."""

BATCH = 32
"""Texts run at a time; more bring no more speed."""

_OPSET = 17
_IR_VERSION = 8
_FUSED = "com.microsoft"
_DIGEST_BYTES = 32


class OnnxBert:
    """Compute token vectors in onnxruntime, on all processors this process may use.

    Args:
        model: The model.
        fingerprint: Identifies it in the cache.

    Raises:
        ModelError: onnxruntime cannot load it.
    """

    name = "onnxruntime"

    def __init__(self, model: BertModel, fingerprint: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _available_processors()
        # Threads that wait actively slow down everything on a busy machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Followed to its end because onnxruntime refuses links, such as those of the hub's cache.
        weights = model.weights.resolve()
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(weights.parent)
        )
        try:
            self._session = onnxruntime.InferenceSession(
                _graph(model, graph_file(fingerprint, weights.name)),
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # onnxruntime's own errors have no common root
            raise ModelError(
                str(model.weights.parent), f"onnxruntime cannot load it: {error}"
            ) from error

    def token_vectors(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """Run the model.

        Args:
            texts: The token numbers of each text; none is empty.

        Returns:
            float32 array [tokens of all texts, dimension], text after text.
        """
        vectors: list[Vectors] = [np.empty(0, dtype=np.float32)] * len(texts)
        # Texts of like length share a batch, so that little padding is computed.
        by_length = sorted(range(len(texts)), key=lambda position: len(texts[position]))
        for start in range(0, len(texts), BATCH):
            batch = by_length[start : start + BATCH]
            numbers = np.zeros((len(batch), len(texts[batch[-1]])), dtype=np.int64)
            lengths = np.array([len(texts[position]) for position in batch], dtype=np.int32)
            for row, position in enumerate(batch):
                numbers[row, : lengths[row]] = texts[position]
            (found,) = self._session.run(None, {"tokens": numbers, "lengths": lengths})
            for row, position in enumerate(batch):
                vectors[position] = found[row, : lengths[row]]
        return np.concatenate(vectors)


def build_graph(model: BertModel) -> ModelProto:
    """Build the ONNX graph of a BERT encoder, without its weights.

    Args:
        model: The model.

    Returns:
        A graph from "tokens" (int64 [texts, longest]) and "lengths" (int32 [texts]) to
        "vectors" (float32 [texts, longest, dimension]).
    """
    from onnx import TensorProto, helper

    nodes: list[Any] = []
    initializers = []

    def apply(operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator}_{len(nodes)}"
        domain = _FUSED if operator in _FUSED_OPERATORS else ""
        nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def integers(name: str, *values: int) -> str:
        initializers.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name

    location = model.weights.resolve().name

    def weight(name: str) -> str:
        tensor = model.tensors[name]
        half = tensor.dtype == "F16"
        proto = TensorProto(
            name=name,
            data_type=TensorProto.FLOAT16 if half else TensorProto.FLOAT,
            dims=tensor.shape,
            data_location=TensorProto.EXTERNAL,
        )
        place = {"location": location, "offset": tensor.offset, "length": tensor.size}
        for key, value in place.items():
            proto.external_data.add(key=key, value=str(value))
        initializers.append(proto)
        return apply("Cast", name, to=TensorProto.FLOAT) if half else name

    def linear(vectors: str, name: str) -> str:
        return apply("Gemm", vectors, weight(f"{name}.weight"), weight(f"{name}.bias"), transB=1)

    def add_and_normalise(vectors: str, residual: str, name: str) -> str:
        scale, shift = weight(f"{name}.weight"), weight(f"{name}.bias")
        return apply(
            "SkipLayerNormalization", vectors, residual, scale, shift, epsilon=model.epsilon
        )

    # Layers work on [texts * longest, dimension], attention on [texts, longest, dimension].
    flat = integers("flat", -1, model.dimension)
    zero, one = integers("zero", 0), integers("one", 1)
    words = apply("Gather", weight("embeddings.word_embeddings.weight"), "tokens")
    batched = apply("Shape", words)
    longest = apply("Shape", "tokens", start=1, end=2)
    positions = apply("Slice", weight("embeddings.position_embeddings.weight"), zero, longest)
    types = apply("Slice", weight("embeddings.token_type_embeddings.weight"), zero, one)
    vectors = apply(
        "LayerNormalization",
        apply("Add", words, apply("Add", positions, types)),
        weight("embeddings.LayerNorm.weight"),
        weight("embeddings.LayerNorm.bias"),
        epsilon=model.epsilon,
    )
    vectors = apply("Reshape", vectors, flat)
    for layer in range(model.layers):
        prefix = f"encoder.layer.{layer}."
        attended = apply(
            "MultiHeadAttention",
            *(
                apply("Reshape", linear(vectors, f"{prefix}attention.self.{part}"), batched)
                for part in ("query", "key", "value")
            ),
            "",
            "lengths",
            num_heads=model.heads,
        )
        attended = linear(apply("Reshape", attended, flat), f"{prefix}attention.output.dense")
        vectors = add_and_normalise(attended, vectors, f"{prefix}attention.output.LayerNorm")
        hidden = apply("Gelu", linear(vectors, f"{prefix}intermediate.dense"))
        hidden = linear(hidden, f"{prefix}output.dense")
        vectors = add_and_normalise(hidden, vectors, f"{prefix}output.LayerNorm")
    nodes.append(helper.make_node("Reshape", [vectors, batched], ["vectors"]))
    shapes = {"tokens": ["texts", "longest"], "lengths": ["texts"]}
    graph = helper.make_graph(
        nodes,
        "bert",
        [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, shapes["tokens"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, shapes["lengths"]),
        ],
        [
            helper.make_tensor_value_info(
                "vectors", TensorProto.FLOAT, [*shapes["tokens"], model.dimension]
            )
        ],
        initializers,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_FUSED, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


_FUSED_OPERATORS = frozenset({"Gelu", "MultiHeadAttention", "SkipLayerNormalization"})


def _graph(model: BertModel, file: Path) -> bytes:
    """Return the model's graph from its place in the cache, or build it and keep it there."""
    kept = _read_graph(file)
    if kept is not None:
        return kept
    graph: bytes = build_graph(model).SerializeToString(deterministic=True)
    try:
        write_atomically(file, hashlib.sha256(graph).digest() + graph)
    except OSError as error:
        logger.warning("the ONNX graph cannot be kept in the cache: %s", error)
    return graph


def graph_file(fingerprint: str, weights: str = WEIGHTS) -> Path:
    """Return where the graph of a model is cached: its sha256 (32 bytes), then the graph.

    Args:
        fingerprint: The model's fingerprint.
        weights: The name of the file that the graph refers to.

    Returns:
        A file that need not exist.
    """
    return cache_root() / "models" / fingerprint[:24] / f"{weights}.{GRAPH_FORMAT}.onnx"


def _read_graph(file: Path) -> bytes | None:
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, graph = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return graph if hashlib.sha256(graph).digest() == digest else None


def _available_processors() -> int:
    """Count the processors this process may use; OMP_NUM_THREADS sets fewer."""
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(processors, int(limit))) if limit.isdecimal() else processors
