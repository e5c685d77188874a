"""What every encoder promises, whatever runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmatch.encoders import Encoder, load_encoder
from conftest import HashingEncoder
from tiny_models import make_tiny_model

RUNTIMES = ("numpy", "onnxruntime", "sentence-transformers", None)
TEXTS = ["mend the roof", "", "bake bread", "the " * 500, "mend the roof", "修理屋顶 🙂", "x" * 300]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(
        tmp_path_factory.mktemp("contract") / "tiny", prompts={"query": "bake: "}
    )


@pytest.fixture(scope="module", params=["hashing", *RUNTIMES], ids=str)
def encoder(request: pytest.FixtureRequest, model: Path) -> Encoder:
    if request.param == "hashing":
        return HashingEncoder()
    return load_encoder(str(model), runtime=request.param)


def test_it_offers_the_interface(encoder: Encoder) -> None:
    assert isinstance(encoder, Encoder)
    assert encoder.name
    assert len(encoder.fingerprint) == 64


def test_vectors_are_unit_rows_of_float32(encoder: Encoder) -> None:
    for encode in (encoder.encode_queries, encoder.encode_documents):
        vectors = encode(TEXTS)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), encoder.dimension)
        assert vectors.flags.c_contiguous
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    for encode in (encoder.encode_queries, encoder.encode_documents):
        assert encode([]).shape == (0, encoder.dimension)
        assert encode([]).dtype == np.float32


def test_a_text_has_one_vector_whatever_else_is_in_the_batch(encoder: Encoder) -> None:
    together = encoder.encode_documents(TEXTS * 12)
    for start in range(0, len(together), len(TEXTS)):
        for row, text in enumerate(TEXTS):
            alone = encoder.encode_documents([text])[0]
            np.testing.assert_allclose(together[start + row], alone, atol=1e-6)
    backwards = encoder.encode_documents(TEXTS[::-1])[::-1]
    np.testing.assert_allclose(together[: len(TEXTS)], backwards, atol=1e-6)


def test_the_same_call_gives_the_same_vectors(encoder: Encoder) -> None:
    encoder.encode_documents(TEXTS * 12)
    first, again = encoder.encode_documents(TEXTS), encoder.encode_documents(TEXTS)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("runtime", ["numpy", "onnxruntime"])
def test_runtimes_agree_on_any_texts(model: Path, runtime: str) -> None:
    fast = load_encoder(str(model), runtime=runtime)
    oracle = load_encoder(str(model), runtime="sentence-transformers")

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), max_size=5))
    @settings(max_examples=50, deadline=None)
    def check(texts: list[str]) -> None:
        for method in ("encode_queries", "encode_documents"):
            expected = getattr(oracle, method)(texts)
            np.testing.assert_allclose(getattr(fast, method)(texts), expected, atol=5e-6)

    check()
