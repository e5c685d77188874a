"""Read what a sentence-transformers folder of the BERT family holds, or say why not."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentmatch.encoders.wordpiece import WordPieceTokenizer
from agentmatch.errors import ModelError, UnsupportedModelError

WEIGHTS = "model.safetensors"
POOLINGS = ("mean", "cls", "max")
DTYPES = ("F32", "F16")

# Settings of the Transformer module that change nothing for a text encoder.
_NEUTRAL_SETTINGS = {
    "do_lower_case": (False,),
    "transformer_task": ("feature-extraction",),
    "module_output_name": ("token_embeddings",),
}
_READ_SETTINGS = frozenset({"max_seq_length", "modality_config"})


@dataclass(frozen=True)
class Tensor:
    """Say where a tensor lies in its file.

    Attributes:
        dtype: "F32" or "F16".
        shape: Its shape.
        offset: Bytes before it in the file.
        size: Its bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True)
class BertModel:
    """Describe a BERT encoder and how its authors use it.

    Attributes:
        weights: The safetensors file.
        tokenizer: Its tokeniser.
        tensors: The tensors by name.
        layers: Number of layers.
        heads: Attention heads of a layer.
        dimension: Components of a token's vector, and of a text's.
        epsilon: Added to the variance in layer normalisation.
        pooling: "mean", "cls" or "max".
        query_prompt: Put before each request.
        document_prompt: Put before each passage.
    """

    weights: Path
    tokenizer: WordPieceTokenizer
    tensors: dict[str, Tensor]
    layers: int
    heads: int
    dimension: int
    epsilon: float
    pooling: str
    query_prompt: str
    document_prompt: str


def read_bert_model(folder: Path) -> BertModel:
    """Read a model folder.

    Args:
        folder: A folder that sentence-transformers wrote.

    Returns:
        What is needed to run it.

    Raises:
        UnsupportedModelError: It is not a plain BERT encoder; the message says why.
        ModelError: Its weights are truncated.
    """
    try:
        return _read(folder)
    except (KeyError, TypeError, ValueError, OSError) as error:
        problem = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise UnsupportedModelError(
            str(folder), f"it is not a plain BERT encoder ({problem}); use sentence-transformers"
        ) from error


def _read(folder: Path) -> BertModel:
    modules = _json(folder / "modules.json")
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    ours = all(module["type"].startswith("sentence_transformers.") for module in modules)
    _require(
        ours and kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]),
        f"its modules are {', '.join(kinds)}",
    )
    transformer = folder / modules[0]["path"]
    config = _json(transformer / "config.json")
    _require_bert(config)
    settings = _json(transformer / "sentence_bert_config.json")
    for name, value in settings.items():
        if name not in _READ_SETTINGS and value is not None:
            _require(value in _NEUTRAL_SETTINGS.get(name, ()), f"{name} is {value!r}")
    longest = config["max_position_embeddings"]
    tokenizer_config = _json(transformer / "tokenizer_config.json")
    max_length = settings.get("max_seq_length")
    if max_length is None:
        max_length = min(tokenizer_config.get("model_max_length", longest), longest)
    _require(max_length <= longest, f"it reads {max_length} tokens but has {longest} positions")
    prompts = _prompts(_json(folder / "config_sentence_transformers.json", default={}))
    pooling = _pooling(_json(folder / modules[1]["path"] / "config.json"), any(prompts))
    return BertModel(
        weights=transformer / WEIGHTS,
        tokenizer=_tokenizer(transformer, tokenizer_config, int(max_length)),
        tensors=_tensors(transformer / WEIGHTS),
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        dimension=config["hidden_size"],
        epsilon=config["layer_norm_eps"],
        pooling=pooling,
        query_prompt=prompts[0],
        document_prompt=prompts[1],
    )


def _require_bert(config: dict[str, Any]) -> None:
    architectures = config["architectures"]
    _require(
        architectures == ["BertModel"] and config["model_type"] == "bert",
        f"its architecture is {architectures}",
    )
    _require(config["hidden_act"] == "gelu", f"its activation is {config['hidden_act']}")
    positions = config.get("position_embedding_type", "absolute")
    _require(positions == "absolute", f"its positions are {positions}")
    _require(not config.get("is_decoder"), "it is a decoder")
    _require("quantization_config" not in config, "it is quantised")


def _tokenizer(folder: Path, config: dict[str, Any], max_length: int) -> WordPieceTokenizer:
    kind = config.get("tokenizer_class")
    _require(kind in ("BertTokenizer", "BertTokenizerFast"), f"its tokeniser is {kind}")
    tokenizer = WordPieceTokenizer(folder / "tokenizer.json", max_length)
    # Versions of the transformers library differ in which of the two files they go by.
    for ours, theirs, default in (
        ("do_lower_case", "lowercase", True),
        ("strip_accents", "strip_accents", None),
        ("tokenize_chinese_chars", "handle_chinese_chars", True),
    ):
        _require(
            config.get(ours, default) == tokenizer.normalizer.get(theirs),
            f"tokenizer_config.json and tokenizer.json differ in {theirs}",
        )
    return tokenizer


def _prompts(config: dict[str, Any]) -> tuple[str, str]:
    prompts = {name: text for name, text in (config.get("prompts") or {}).items() if text}
    others = sorted(prompts.keys() - {"query", "document"})
    _require(
        not others and not config.get("default_prompt_name") and not config.get("truncate_dim"),
        "it has prompts or a shortened dimension of its own",
    )
    return prompts.get("query", ""), prompts.get("document", "")


def _pooling(config: dict[str, Any], prompted: bool) -> str:
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [name for name, on in config.items() if name.startswith("pooling_mode_") and on]
        modes = [name.removeprefix("pooling_mode_").split("_tok")[0] for name in modes] or ["mean"]
    elif isinstance(modes, str):
        modes = [modes]
    _require(len(modes) == 1 and modes[0] in POOLINGS, f"its pooling is {modes}")
    _require(not prompted or config.get("include_prompt", True), "it pools without its prompt")
    return str(modes[0])


def _tensors(file: Path) -> dict[str, Tensor]:
    """Read the header of a safetensors file."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
        available = stream.seek(0, os.SEEK_END)
    header.pop("__metadata__", None)
    needed = 8 + length + max(entry["data_offsets"][1] for entry in header.values())
    if available < needed:
        raise ModelError(
            str(file.parent),
            f"{file.name} is truncated ({available:,} of {needed:,} bytes); fetch the model again",
        )
    tensors = {}
    for name, entry in header.items():
        if name.endswith("position_ids") or name.startswith("pooler."):
            continue
        _require(entry["dtype"] in DTYPES, f"its weights are {entry['dtype']}")
        first, last = entry["data_offsets"]
        tensors[name] = Tensor(
            entry["dtype"], tuple(entry["shape"]), 8 + length + first, last - first
        )
    return tensors


def _json(file: Path, default: Any = None) -> Any:
    if default is not None and not file.exists():
        return default
    return json.loads(file.read_text(encoding="utf-8"))


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)
