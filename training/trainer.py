"""The loop: batches in, parameters and checkpoints out. Whatever it does at step n depends on the
seed and on n alone, so a run that was killed goes on as if nothing had happened."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.batches import Batch, BatchStream, Position
from training.induction import write_induction
from training.learning import Learner, StepResult, balance, prepare_for_phase, summed_counts
from training.optimizer import Optimizer
from training.parallel import Workers
from training.recipe import Phase, Recipe, model_with_rows
from training.rendering import RenderedExample
from training.token_forms import TokenForms
from training.vocabulary import RareRows, SubVocabulary
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

_GRADIENT_NORM_MAX = 1.0

RenderedSource = Callable[[str, int], RenderedExample]
"""A mix's name and a number -> that example of the mix."""


@dataclass(frozen=True)
class Compute:
    """Where and how to compute. Results depend on it in their last bits."""

    device: str = "cpu"
    is_bfloat16: bool = False
    """Whether matrix products run in bf16, with parameters and optimiser in fp32."""
    num_workers: int = 2
    """On a CPU: threads that each take a half of the batch."""


@dataclass
class Progress:
    """What a checkpoint remembers besides tensors."""

    phase_index: int = 0
    step: int = 0
    """Steps done in this phase."""
    total_steps: int = 0
    seconds: float = 0.0
    """Spent in this phase."""
    total_seconds: float = 0.0
    total_tokens: int = 0
    decay_from: int | None = None
    """The step at which the learning rate began to fall, once that is known."""


@dataclass(frozen=True)
class StepReport:
    phase: str
    progress: Progress
    loss: float
    scale: float
    """Share of the full learning rate."""
    tokens_per_second: float


class Trainer:
    def __init__(
        self,
        recipe: Recipe,
        phases: tuple[Phase, ...],
        vocabulary: SubVocabulary,
        forms: TokenForms,
        rendered: RenderedSource,
        run_dir: Path,
        compute: Compute | None = None,
    ) -> None:
        self.recipe, self.phases, self.vocabulary = recipe, phases, vocabulary
        self.compute = compute or Compute()
        self._rendered, self._run_dir = rendered, run_dir
        self._workers = Workers(self.compute.num_workers)
        model = DeepseekV32ForCausalLM(model_with_rows(recipe.model, vocabulary.num_rows))
        model.initialize(recipe.seed)
        rare_rows = RareRows(vocabulary, forms, recipe.model.hidden_size, recipe.seed)
        rare_rows.initialize(model.model.embed_tokens.weight)
        start_quietly(model)
        write_induction(model, rare_rows.constant, recipe.seed)
        self.model = model.to(self.compute.device)
        self.rare_rows = rare_rows.to(self.compute.device)
        self.progress = Progress()
        self._learner = Learner(self.model, self.rare_rows)
        self._begin_phase()

    @property
    def phase(self) -> Phase:
        return self.phases[self.progress.phase_index]

    @property
    def is_finished(self) -> bool:
        return self.progress.phase_index >= len(self.phases)

    def step(self) -> StepReport:
        """One batch. Ends the phase when its last step is done."""
        started = time.perf_counter()
        phase, progress = self.phase, self.progress
        self._decide_decay()
        scale = learning_rate_scale(phase, progress.step, progress.decay_from)
        batch = self._stream.next()
        loss, counts = self._gradients(phase, batch)
        nn.utils.clip_grad_norm_(
            [p for _, p in self.model.named_parameters() if p.grad is not None], _GRADIENT_NORM_MAX
        )
        self._optimizer.step(scale * phase.peak)
        balance(self.model, counts, self.recipe.balance_rate * scale * phase.peak)
        elapsed = time.perf_counter() - started
        progress.step += 1
        progress.total_steps += 1
        progress.seconds += elapsed
        progress.total_seconds += elapsed
        progress.total_tokens += batch.num_tokens
        report = StepReport(phase.name, progress, loss, scale, batch.num_tokens / elapsed)
        self._log(report)
        if scale == 0.0 or self._is_phase_done():
            self._end_phase()
        return report

    def _gradients(self, phase: Phase, batch: Batch) -> tuple[float, dict[int, Tensor]]:
        """Each part of the batch by itself; the sum does not depend on who computed which.
        Leaves the gradient of the mean loss in the parameters; -> that loss, tokens per expert."""
        learning = [p for _, p in self.model.named_parameters() if p.requires_grad]
        parts = batch.halves() if self.compute.device == "cpu" else [batch]
        done = self._workers.run(
            partial(self._part_gradients, phase, part, learning) for part in parts
        )
        num_targets = max(sum(result.num_targets for result, _ in done), 1)
        for parameter, *gradients in zip(learning, *(g for _, g in done), strict=True):
            present = [g for g in gradients if g is not None]
            parameter.grad = torch.stack(present).sum(0) / num_targets if present else None
        loss = sum(float(result.loss_sum.detach()) for result, _ in done) / num_targets
        return loss, summed_counts([result for result, _ in done])

    def _part_gradients(
        self, phase: Phase, batch: Batch, learning: list[nn.Parameter]
    ) -> tuple[StepResult, tuple[Tensor | None, ...]]:
        device = torch.device(self.compute.device)
        batch = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.compute.is_bfloat16):
            result = self._learner.result(phase.part, batch)
        gradients = torch.autograd.grad(result.loss_sum, learning, allow_unused=True)
        return result, gradients

    def _decide_decay(self) -> None:
        """Decay starts at a fixed step or, in a phase measured in minutes, when the time left is
        what the decay needs; the decision is kept, so that a resumed run repeats it."""
        phase, progress = self.phase, self.progress
        if progress.decay_from is not None:
            return
        if phase.num_steps is not None:
            progress.decay_from = int(phase.num_steps * (1 - phase.decay_share))
        elif progress.seconds >= (phase.minutes or 0.0) * 60 * (1 - phase.decay_share):
            progress.decay_from = max(progress.step, 1)

    def _is_phase_done(self) -> bool:
        progress = self.progress
        if progress.decay_from is None:
            return False
        return progress.step >= num_phase_steps(self.phase, progress.decay_from)

    def _begin_phase(self) -> None:
        """Streams differ between phases: what one has seen, the next does not start with."""
        phase = self.phase
        prepare_for_phase(self.model, phase.part, phase.is_sparse)
        seed = self.recipe.seed + self.progress.phase_index
        self._stream = BatchStream(
            partial(self._rendered, phase.mix), self.vocabulary, phase.plan, seed
        )
        self._optimizer = Optimizer(
            self.model.named_parameters(),
            self.recipe.optimizer,
            self._workers,
            torch.bfloat16 if self.compute.is_bfloat16 else torch.float32,
        )

    def _end_phase(self) -> None:
        self.progress.phase_index += 1
        self.progress.step, self.progress.seconds, self.progress.decay_from = 0, 0.0, None
        if not self.is_finished:
            self._begin_phase()

    def _log(self, report: StepReport) -> None:
        row = {
            "phase": report.phase,
            "step": self.progress.total_steps,
            "loss": round(report.loss, 5),
            "scale": round(report.scale, 4),
            "tokens": self.progress.total_tokens,
            "seconds": round(self.progress.total_seconds, 2),
        }
        with (self._run_dir / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def save(self, path: Path) -> None:
        """Atomic: a reader, or a kill, sees the old file or the new one."""
        state = {
            "model": trained_state(self.model),
            "optimizer": None if self.is_finished else self._optimizer.state_dict(),
            "progress": asdict(self.progress),
            "position": asdict(self._stream.position),
            "token_ids": self.vocabulary.token_ids,
        }
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Go on where `save` left off, with the same phases."""
        state = torch.load(path, map_location=self.compute.device, weights_only=True)
        self._load_model(state)
        self.progress = Progress(**state["progress"])
        if not self.is_finished:
            self._begin_phase()
            self._stream.position = Position(**state["position"])
            if state["optimizer"] is not None:
                self._optimizer.load_state_dict(state["optimizer"])

    def start_from(self, state: dict[str, Any]) -> None:
        """Take over only the parameters of another run, whose vocabulary may be smaller."""
        self._load_model(state)
        previous = state["progress"]
        for name in ("total_steps", "total_seconds", "total_tokens"):
            setattr(self.progress, name, previous[name])

    def _load_model(self, state: dict[str, Any]) -> None:
        known = tuple(state["token_ids"])
        assert self.vocabulary.token_ids[: len(known)] == known, "the vocabulary lost rows"
        tensors = dict(state["model"])
        name = "model.embed_tokens.weight"
        grown = self.model.state_dict()[name].clone()
        grown[: tensors[name].shape[0]] = tensors[name]
        tensors[name] = grown
        self.model.load_state_dict(tensors, strict=False)
        self.model.share_weights()


@torch.no_grad()
def start_quietly(model: DeepseekV32ForCausalLM) -> None:
    """Layers begin by adding nothing, and the tied head's long rows begin with small logits."""
    for name, parameter in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            parameter.zero_()
        elif name in ("model.norm.weight", f"model.layers.{_mtp(model)}.shared_head.norm.weight"):
            parameter.fill_(model.config.hidden_size**-0.5)


def _mtp(model: DeepseekV32ForCausalLM) -> int:
    return model.config.num_hidden_layers


def trained_state(model: DeepseekV32ForCausalLM) -> dict[str, Tensor]:
    """The state without the names that only repeat the embedding."""
    repeated = ("lm_head.weight", ".shared_head.head.weight")
    mtp_embedding = f"model.layers.{model.config.num_hidden_layers}.embed_tokens.weight"
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.endswith(repeated) and name != mtp_embedding
    }


def num_phase_steps(phase: Phase, decay_from: int) -> int:
    if phase.num_steps is not None:
        return phase.num_steps
    return math.ceil(decay_from / (1 - phase.decay_share))


def learning_rate_scale(phase: Phase, step: int, decay_from: int | None) -> float:
    """Linear warm-up from the first step, then 1, then linear decay towards 0."""
    scale = min(1.0, (step + 1) / max(phase.warmup_steps, 1))
    if decay_from is None or step < decay_from:
        return scale
    num_steps = num_phase_steps(phase, decay_from)
    return scale * (num_steps - step) / max(num_steps - decay_from, 1)
