"""Make small BERT models of random weights, as sentence-transformers writes them."""

from __future__ import annotations

from pathlib import Path

PIECES = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "mend", "the", "roof", "bake", "bread"),
    *(chr(code) for code in range(ord("a"), ord("z") + 1)),
    *(f"##{chr(code)}" for code in range(ord("a"), ord("z") + 1)),
    *".,:;!?-'()",
)
MAX_LENGTH = 32
DIMENSION = 24


def make_tiny_model(
    folder: Path,
    *,
    pooling: str = "mean",
    normalize: bool = True,
    half: bool = False,
    prompts: dict[str, str] | None = None,
    **config: object,
) -> Path:
    """Write a model into a folder.

    Args:
        folder: The folder to make.
        pooling: As sentence-transformers names it.
        normalize: Whether a Normalize module follows.
        half: Whether the weights are float16.
        prompts: Prompts by name.
        **config: Changes of the BERT configuration.

    Returns:
        The model's folder.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as kinds
    from transformers import BertConfig, BertModel, BertTokenizerFast

    bare = folder / "bare"
    bare.mkdir(parents=True)
    (bare / "vocab.txt").write_text("\n".join(PIECES))
    BertTokenizerFast(vocab=str(bare / "vocab.txt")).save_pretrained(bare)
    torch.manual_seed(0)
    settings = {
        "vocab_size": len(PIECES),
        "hidden_size": DIMENSION,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 64,
        # Larger than usual, so that attention and GELU are far from linear.
        "initializer_range": 0.4,
        **config,
    }
    bert = BertModel(BertConfig(**settings))
    (bert.half() if half else bert).save_pretrained(bare)
    modules = [
        kinds.Transformer(str(bare), max_seq_length=MAX_LENGTH),
        kinds.Pooling(DIMENSION, pooling),
        *([kinds.Normalize()] if normalize else []),
    ]
    model = SentenceTransformer(modules=modules, device="cpu", prompts=prompts)
    model.save(str(folder / "model"))
    return folder / "model"
