"""BERT-family models without torch: same vectors, right choice of runtime, sound caches."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agentmatch.encoders import SentenceTransformerEncoder, load_encoder
from agentmatch.encoders.bert import gelu
from agentmatch.encoders.bert_encoder import BULK, BertEncoder
from agentmatch.encoders.onnx_runtime import graph_file
from agentmatch.errors import ModelError, ModelNotFoundError, UnsupportedModelError
from tiny_models import make_tiny_model

TEXTS = ["mend the roof", "", "Bake bread, bake!", "the " * 100, "(mend) a-roof's beam?", "é 你 🙂"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("bert") / "tiny")


def test_gelu_is_exact_to_seven_digits() -> None:
    values = np.concatenate([np.linspace(-12, 12, 40_001), [-0.0, 1e-30, -1e-30, 80, -80]])
    values = values.astype(np.float32)
    expected = [x / 2 * (1 + math.erf(x / math.sqrt(2))) for x in values.tolist()]
    # Relative to the size of x, since float32 cannot be nearer.
    error = np.abs(gelu(values.copy()) - expected) / np.maximum(1, np.abs(values))
    assert error.max() < 4e-7


@pytest.mark.parametrize("runtime", ["numpy", "onnxruntime"])
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(
    ("pooling", "normalize"), [("mean", True), ("mean", False), ("cls", False), ("max", True)]
)
def test_models_of_the_family_give_the_vectors_of_sentence_transformers(
    tmp_path: Path, pooling: str, normalize: bool, half: bool, runtime: str
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = make_tiny_model(
        tmp_path / "tiny",
        pooling=pooling,
        normalize=normalize,
        half=half,
        prompts={"query": "bake ", "document": "the "},
        layer_norm_eps=1e-5,
    )
    plain = SentenceTransformer(str(folder), device="cpu").float()
    encoder = load_encoder(str(folder), runtime=runtime)
    assert encoder.runtime == runtime
    for encode, expected in (
        (encoder.encode_queries, plain.encode_query(TEXTS, normalize_embeddings=True)),
        (encoder.encode_documents, plain.encode_document(TEXTS, normalize_embeddings=True)),
    ):
        np.testing.assert_allclose(encode(TEXTS), expected, atol=5e-6)
    assert not np.allclose(encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS))


def test_many_tokens_are_run_in_parts(tiny: Path) -> None:
    encoder = load_encoder(str(tiny), runtime="numpy")
    many = encoder.encode_documents([*TEXTS, *["bake the roof " * 20] * 200])
    np.testing.assert_allclose(many[: len(TEXTS)], encoder.encode_documents(TEXTS), atol=1e-6)
    np.testing.assert_allclose(many[len(TEXTS) :], many[[-1] * 200], atol=1e-6)


def test_all_runtimes_have_one_fingerprint(tiny: Path) -> None:
    runtimes = ("numpy", "onnxruntime", "sentence-transformers", None)
    encoders = [load_encoder(str(tiny), runtime=runtime) for runtime in runtimes]
    assert len({encoder.fingerprint for encoder in encoders}) == 1
    assert [type(encoder) for encoder in encoders] == [
        BertEncoder,
        BertEncoder,
        SentenceTransformerEncoder,
        BertEncoder,
    ]


def edit_json(name: str, **changes: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        file = folder / name
        document: Any = json.loads(file.read_text())
        file.write_text(json.dumps({**document, **changes}))

    return edit


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def add_dense(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3", "type": "sentence_transformers.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))


def foreign_module(folder: Path) -> None:
    text = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(text.replace("sentence_transformers.base", "custom"))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (edit_json("config.json", architectures=["XLMRobertaModel"]), "architecture"),
        (edit_json("config.json", model_type="roberta"), "architecture"),
        (edit_json("config.json", hidden_act="gelu_new"), "activation"),
        (edit_json("config.json", position_embedding_type="relative_key"), "positions"),
        (edit_json("config.json", is_decoder=True), "decoder"),
        (edit_json("config.json", quantization_config={}), "quantised"),
        (edit_json("sentence_bert_config.json", max_seq_length=65), "positions"),
        (edit_json("1_Pooling/config.json", pooling_mode="lasttoken"), "pooling"),
        (edit_json("1_Pooling/config.json", pooling_mode=["cls", "mean"]), "pooling"),
        (edit_json("sentence_bert_config.json", do_lower_case=True), "do_lower_case"),
        (edit_json("sentence_bert_config.json", query_length=8), "query_length"),
        (edit_json("config_sentence_transformers.json", prompts={"passage": "x "}), "prompts"),
        (edit_json("config_sentence_transformers.json", default_prompt_name="query"), "prompts"),
        (edit_json("config_sentence_transformers.json", truncate_dim=8), "dimension"),
        (edit_json("tokenizer_config.json", tokenizer_class="MPNetTokenizer"), "tokeniser"),
        (edit_json("tokenizer_config.json", do_lower_case=False), "lowercase"),
        (edit_json("tokenizer.json", pre_tokenizer=None), "tokenizer.json"),
        (add_dense, "modules"),
        (foreign_module, "modules"),
        (drop("modules.json"), "modules.json"),
        (drop("model.safetensors"), "model.safetensors"),
        (drop("tokenizer.json"), "tokenizer.json"),
    ],
)
def test_other_models_are_left_to_sentence_transformers(
    tiny: Path, tmp_path: Path, edit: Callable[[Path], None], reason: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    edit(copy)
    with pytest.raises(UnsupportedModelError, match=f"not a plain BERT.*{reason}"):
        load_encoder(str(copy), runtime="numpy")
    assert isinstance(load_encoder(str(copy)), SentenceTransformerEncoder)


def test_a_prompt_that_pooling_leaves_out_is_left_to_sentence_transformers(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "tiny", prompts={"query": "bake "})
    edit_json("1_Pooling/config.json", include_prompt=False)(folder)
    with pytest.raises(UnsupportedModelError, match="without its prompt"):
        load_encoder(str(folder), runtime="onnxruntime")


def test_settings_of_older_sentence_transformers_are_read(tiny: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    old = {
        "word_embedding_dimension": 24,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": True,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    (copy / "1_Pooling" / "config.json").write_text(json.dumps(old))
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 8, "do_lower_case": false}')
    (copy / "config_sentence_transformers.json").unlink()
    fast = load_encoder(str(copy), runtime="numpy").encode_documents(TEXTS)
    slow = load_encoder(str(copy), runtime="sentence-transformers").encode_documents(TEXTS)
    np.testing.assert_allclose(fast, slow, atol=5e-6)
    for name, cls in (("mean", False), ("mean_sqrt_len", True)):
        old |= {"pooling_mode_max_tokens": False, "pooling_mode_cls_token": cls}
        old[f"pooling_mode_{name}_tokens"] = True
    (copy / "1_Pooling" / "config.json").write_text(json.dumps(old))
    assert isinstance(load_encoder(str(copy)), SentenceTransformerEncoder)


def test_a_wrong_runtime_or_model_is_named(tiny: Path) -> None:
    with pytest.raises(ValueError, match=r"numpy, onnxruntime.*'tensorflow'"):
        load_encoder(str(tiny), runtime="tensorflow")
    with pytest.raises(ModelNotFoundError):
        load_encoder("/nowhere/model", runtime="numpy")


@pytest.mark.parametrize(
    "damage",
    [lambda _: b"", lambda content: content[:-1], lambda content: b"\0" * len(content)],
)
def test_a_damaged_graph_in_the_cache_is_built_anew(
    tiny: Path, damage: Callable[[bytes], bytes]
) -> None:
    encoder = load_encoder(str(tiny), runtime="onnxruntime")
    expected = encoder.encode_documents(TEXTS)
    file = graph_file(encoder.fingerprint)
    sound = file.read_bytes()
    assert len(sound) < 100_000  # no weights in it
    file.write_bytes(damage(sound))
    again = load_encoder(str(tiny), runtime="onnxruntime")
    np.testing.assert_array_equal(again.encode_documents(TEXTS), expected)
    assert file.read_bytes() == sound


def test_a_sound_graph_in_the_cache_is_used(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_encoder(str(tiny), runtime="onnxruntime").encode_documents(TEXTS)
    monkeypatch.setitem(sys.modules, "onnx", None)  # importing it fails from now on
    again = load_encoder(str(tiny), runtime="onnxruntime").encode_documents(TEXTS)
    np.testing.assert_array_equal(again, expected)


def test_without_a_cache_everything_still_works(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AGENTMATCH_CACHE_DIR", str(tmp_path / "file" / "no-folder"))
    vectors = load_encoder(str(tiny), runtime="onnxruntime").encode_documents(TEXTS)
    expected = load_encoder(str(tiny), runtime="numpy").encode_documents(TEXTS)
    np.testing.assert_allclose(vectors, expected, atol=5e-6)


@pytest.mark.parametrize("runtime", ["numpy", "onnxruntime", None])
def test_truncated_weights_are_an_error(tiny: Path, tmp_path: Path, runtime: str | None) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4000])
    with pytest.raises(ModelError, match="truncated"):
        load_encoder(str(copy), runtime=runtime)


def modules_loaded_by(script: str) -> set[str]:
    script += "; import sys; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_one_request_needs_neither_torch_nor_onnxruntime() -> None:
    loaded = modules_loaded_by(
        "from agentmatch import load_encoder; load_encoder().encode_queries(['Fix the login'])"
    )
    heavy = {"torch", "transformers", "huggingface_hub", "onnxruntime", "tokenizers", "scipy"}
    assert "numpy" in loaded
    assert not loaded & {*heavy, "importlib.metadata"}


def test_many_texts_are_run_by_onnxruntime_without_torch(tiny: Path) -> None:
    prepare = f"from agentmatch import load_encoder; encoder = load_encoder({str(tiny)!r}); "
    few = modules_loaded_by(f"{prepare}encoder.encode_documents(['bread'] * {BULK - 1})")
    many = modules_loaded_by(f"{prepare}encoder.encode_documents(['bread'] * {BULK})")
    assert "onnxruntime" not in few
    assert "onnxruntime" in many
    assert "torch" not in many
