"""Fine-tune a sentence encoder with a contrastive loss.

Loss: symmetric InfoNCE over the batch (van den Oord et al., "Representation Learning
with Contrastive Predictive Coding", 2018; in both directions as in Radford et al.,
CLIP, 2021). A request that no agent fits shall prefer a constant, the bar, to every
agent of the batch (the dustbin of Sarlin et al., SuperGlue, 2020), so that similarities
also tell whether any agent fits. What is kept is the mean of the last part of the
weights' path (Izmailov et al., "Averaging Weights Leads to Wider Optima", 2018), mixed
with the weights it started from (Wortsman et al., "Robust fine-tuning of zero-shot
models", 2022), so that it forgets little of what it knew.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agentmatch.encoders.bert_model import read_bert_model
from agentmatch.index import Progress
from agentmatch.training.batches import Batch, BatchSampler
from agentmatch.training.views import TrainingSet

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger("agentmatch")

CHUNK_TOKENS = 2048
"""Tokens run through the model at a time, texts of about one length together."""

ROUNDED = 8
"""Lengths and numbers of texts run at a time are multiples of this."""

REPORT_EVERY = 50
"""Steps between two lines of progress."""

STATE = "training.pt"
"""The file in the output folder from which an interrupted training goes on."""


UNRELATED = ("data_config.json",)
"""Files of a model folder that tell of its own training."""


@dataclass(frozen=True)
class TrainingSettings:
    """Hold the numbers that shape a training.

    Attributes:
        steps: Batches.
        batch_size: Pairs of a batch at most.
        learning_rate: The highest one, of AdamW; it rises over the warm-up and falls
            to 0 linearly.
        warm_up: The share of steps over which it rises.
        weight_decay: Of AdamW.
        scale: What cosine similarities are multiplied by before the softmax (the
            inverse of the temperature).
        bar: The cosine similarity below which no agent shall fit, to begin with; it is
            learned.
        max_tokens: Longer texts are cut.
        frozen_layers: Transformer layers, from below, that stay as they are; the
            embeddings always do.
        averaged: The share of steps, at the end, over which weights are averaged.
        original: The share of the first weights in the result.
        check_every: Steps between two looks at the dev requests.
        seed: Of batches, styles and views.
    """

    steps: int = 400
    batch_size: int = 64
    learning_rate: float = 1.5e-4
    warm_up: float = 0.1
    weight_decay: float = 0.01
    scale: float = 20.0
    bar: float = 0.3
    max_tokens: int = 72
    frozen_layers: int = 0
    averaged: float = 0.3
    original: float = 0.2
    check_every: int = 200
    seed: int = 0


Check = Callable[[Callable[[Sequence[str]], NDArray[np.float32]]], Mapping[str, float]]
"""Measures an encoding function on dev requests."""


def train_encoder(
    folder: Path,
    sets: Sequence[TrainingSet],
    output: Path,
    settings: TrainingSettings,
    check: Check | None = None,
    progress: Progress | None = None,
) -> None:
    """Fine-tune a model and save the result.

    An interrupted training that is started again with the same arguments goes on from
    its last check.

    Args:
        folder: A sentence-transformers folder of a BERT encoder.
        sets: Catalogues with pairs.
        output: The folder for the new model (float16 weights), the state of an
            unfinished training and `training.json`, which says how it went.
        settings: The numbers.
        check: Measures the encoder on dev requests; the mean of its values decides
            which weights are kept: the average at the end, or those of an earlier
            check that was better.
        progress: Called with the steps done so far and their number.

    Raises:
        UnsupportedModelError: The model is not a plain BERT encoder.
    """
    import torch

    weights = read_bert_model(folder).weights
    model = _load(folder, settings)
    bar = torch.nn.Parameter(torch.tensor(settings.bar, device=model.device))
    parameters = [*(p for p in model.parameters() if p.requires_grad), bar]
    optimiser = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    encode = _encoding(model)
    sampler = BatchSampler(sets, encode, settings.batch_size, settings.seed)
    original = [parameter.detach().clone() for parameter in parameters]
    state = _State(parameters)
    output.mkdir(parents=True, exist_ok=True)
    if state.resume(output / STATE, optimiser, settings):
        logger.info("going on from step %d", state.step)
    elif check is not None:
        state.note_check(check(encode))
    start, recent = time.perf_counter(), []
    while state.step < settings.steps:
        if progress is not None:
            progress(state.step, settings.steps)
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _rate(state.step, settings)
        # Of dropout: a training that goes on after an interruption draws the same.
        torch.manual_seed(settings.seed * settings.steps + state.step)
        model.train()
        loss = _step(model, bar, sampler(state.step), settings)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        recent.append(loss)
        state.advance(settings)
        if state.step % REPORT_EVERY == 0:
            seconds = time.perf_counter() - start
            logger.info("step %d: loss %.3f, %.0f s", state.step, np.mean(recent), seconds)
            recent.clear()
        if state.step % settings.check_every == 0 or state.step == settings.steps:
            _check(state, original, settings, encode, check)
            state.save(output / STATE, optimiser, settings)
    state.restore_best()
    _save(model, folder, weights, output)
    report = {"settings": asdict(settings), "checks": state.checks, "kept": state.best_step}
    (output / "training.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (output / STATE).unlink()


class _State:
    """Hold what changes from step to step: weights, their average, the best so far."""

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        self.parameters = parameters
        self.step = 0
        self.checks: list[dict[str, Any]] = []
        self.best = -np.inf
        self.best_step = 0
        self.best_weights: list[torch.Tensor] | None = None
        self._sum: list[torch.Tensor] | None = None
        self._summed = 0

    def advance(self, settings: TrainingSettings) -> None:
        self.step += 1
        if self.step > settings.steps * (1 - settings.averaged):
            if self._sum is None:
                self._sum = [parameter.detach().clone().zero_() for parameter in self.parameters]
            for total, parameter in zip(self._sum, self.parameters, strict=True):
                total += parameter.detach()
            self._summed += 1

    def candidate(self, original: list[torch.Tensor], share: float) -> list[torch.Tensor]:
        """Return the average, or the weights as they are before it begins, mixed."""
        if self._sum is None:
            weights = [parameter.detach() for parameter in self.parameters]
        else:
            weights = [total / self._summed for total in self._sum]
        return [
            (1 - share) * weight + share * first
            for weight, first in zip(weights, original, strict=True)
        ]

    def note_check(self, measured: Mapping[str, float]) -> None:
        mean = float(np.mean(list(measured.values())))
        self.checks.append({"step": self.step, "mean": mean, **measured})
        logger.info("step %d: dev %.4f %s", self.step, mean, dict(measured))

    def load(self, weights: list[torch.Tensor]) -> None:
        import torch

        with torch.no_grad():
            for parameter, weight in zip(self.parameters, weights, strict=True):
                parameter.copy_(weight)

    def restore_best(self) -> None:
        if self.best_weights is not None:
            self.load(self.best_weights)

    def save(self, file: Path, optimiser: torch.optim.Optimizer, settings: object) -> None:
        import torch

        kept = {name: value for name, value in vars(self).items() if name != "parameters"}
        weights = [parameter.detach() for parameter in self.parameters]
        temporary = file.with_suffix(".new")
        torch.save(
            {
                "settings": repr(settings),
                "state": kept,
                "weights": weights,
                "optimiser": optimiser.state_dict(),
            },
            temporary,
        )
        temporary.replace(file)

    def resume(self, file: Path, optimiser: torch.optim.Optimizer, settings: object) -> bool:
        import torch

        if not file.exists():
            return False
        saved = torch.load(file, weights_only=False)
        if saved["settings"] != repr(settings):
            return False
        vars(self).update(saved["state"])
        self.load(saved["weights"])
        optimiser.load_state_dict(saved["optimiser"])
        return True


def _check(
    state: _State,
    original: list[torch.Tensor],
    settings: TrainingSettings,
    encode: Callable[[Sequence[str]], NDArray[np.float32]],
    check: Check | None,
) -> None:
    current = [parameter.detach().clone() for parameter in state.parameters]
    candidate = state.candidate(original, settings.original)
    state.load(candidate)
    if check is not None:
        state.note_check(check(encode))
        value = state.checks[-1]["mean"]
    else:
        value = float(state.step)
    if value > state.best:
        state.best, state.best_step, state.best_weights = value, state.step, candidate
    state.load(current)


def _load(folder: Path, settings: TrainingSettings) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    # Loading takes no bar of its own beside that of the training.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # The fused attention of CPUs has a slow backward pass for texts as short as these.
    kwargs = {"attn_implementation": "eager"}
    # Dropout of attention would take as long as all the rest of it.
    config = {"attention_probs_dropout_prob": 0.0}
    model = SentenceTransformer(
        str(folder),
        model_kwargs=kwargs,
        config_kwargs=config,
        local_files_only=True,
        device=_device(),
    )
    model.max_seq_length = min(settings.max_tokens, model.max_seq_length or settings.max_tokens)
    bert: Any = model[0].auto_model
    model.requires_grad_(True)
    frozen = [bert.embeddings, *bert.encoder.layer[: settings.frozen_layers]]
    if bert.pooler is not None:
        frozen.append(bert.pooler)
    for module in frozen:
        module.requires_grad_(False)
    return model


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _rate(step: int, settings: TrainingSettings) -> float:
    rising = settings.steps * settings.warm_up
    if step < rising:
        return (step + 1) / rising
    return (settings.steps - step) / (settings.steps - rising)


def _step(
    model: SentenceTransformer, bar: torch.Tensor, batch: Batch, settings: TrainingSettings
) -> float:
    """Compute the gradients of one batch and return its loss."""
    import torch
    from torch.nn.functional import cross_entropy

    size, none = len(batch.requests), len(batch.none)
    texts = [*batch.requests, *batch.none, *(text for view in batch.views for text in view)]
    vectors = _embed(model, texts)
    requests = vectors[: size + none]
    views = vectors[size + none :].reshape(len(batch.views), size, -1)
    right = torch.arange(size, device=vectors.device)
    # The column after the agents stands for none of them.
    answer = torch.cat([right, right.new_full((none,), size)])
    bars = bar.expand(size + none, 1)
    loss = vectors.new_zeros(())
    for agents in views:
        similar = requests @ agents.T
        choice = cross_entropy(settings.scale * torch.cat([similar, bars], dim=1), answer)
        loss = loss + (choice + cross_entropy(settings.scale * similar.T, right)) / 2
    loss = loss / len(views)
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def _embed(model: SentenceTransformer, texts: Sequence[str]) -> torch.Tensor:
    """Return unit vectors float32 [texts, dimension], with their graph."""
    import torch
    from torch.nn.functional import normalize

    tokenizer, longest = model.tokenizer, int(model.max_seq_length or 0)
    ids = tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
    order = sorted(range(len(texts)), key=lambda position: -len(ids[position]))
    parts, start = [], 0
    while start < len(order):
        # Texts of one length need little padding. Lengths and sizes are rounded, because
        # the kernels of every new shape are compiled, which takes longer than running them.
        length = min(_rounded(len(ids[order[start]])), longest)
        chunk = order[start : start + max(ROUNDED, CHUNK_TOKENS // length // ROUNDED * ROUNDED)]
        filled = chunk + [chunk[-1]] * (_rounded(len(chunk)) - len(chunk))
        padded = tokenizer.pad(
            {"input_ids": [ids[position] for position in filled]},
            padding="max_length",
            max_length=length,
            return_tensors="pt",
        ).to(model.device)
        with torch.autocast(model.device.type, dtype=torch.bfloat16):
            parts.append(model(dict(padded))["sentence_embedding"].float()[: len(chunk)])
        start += len(chunk)
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return normalize(torch.cat(parts)[back.to(parts[0].device)], dim=1)


def _rounded(number: int) -> int:
    return -(-number // ROUNDED) * ROUNDED


def _encoding(model: SentenceTransformer) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    import torch

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        model.eval()
        with torch.no_grad():
            blocks = [_embed(model, texts[at : at + 1024]) for at in range(0, len(texts), 1024)]
        vectors: NDArray[np.float32] = torch.cat(blocks).cpu().numpy()
        return vectors

    return encode


def _save(model: SentenceTransformer, folder: Path, weights: Path, output: Path) -> None:
    """Write the model's folder: the weights of this one, all else as it was."""
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    for file in folder.rglob("*"):
        if file.is_file() and file.suffix in (".json", ".txt") and file.name not in UNRELATED:
            copy = output / file.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    names = load_file(weights)
    bert: Any = model[0].auto_model
    trained = bert.state_dict()
    tensors = {
        name: trained[name].detach().cpu().to(torch.float16).contiguous()
        for name in names
        if name in trained
    }
    saved = output / weights.relative_to(folder)
    save_file(tensors, saved, metadata={"format": "pt"})
    # The library makes a file that only its owner may read.
    saved.chmod(0o644)
