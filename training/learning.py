"""One training step of each phase: what is computed, what is compared, who gets gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from training.batches import Batch
from training.vocabulary import SHARED_ROW
from whalefall.engine.layers.mla import IndexerProbe
from whalefall.engine.layers.moe import Gate
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM, DenseProbe


@dataclass(frozen=True)
class StepResult:
    loss: Tensor
    num_targets: int
    expert_counts: dict[int, Tensor]


def phase_of_parameter(name: str, num_hidden_layers: int) -> str:
    """The phase in which a parameter learns."""
    if ".indexer." in name:
        return "indexer"
    return "mtp" if name.startswith(f"model.layers.{num_hidden_layers}.") else "main"


def prepare_for_phase(model: DeepseekV32ForCausalLM, phase: str) -> None:
    """Let only the phase's parameters take gradients."""
    num_layers = model.config.num_hidden_layers
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(phase_of_parameter(name, num_layers) == phase)


class Learner:
    def __init__(self, model: DeepseekV32ForCausalLM, logit_offset: Tensor) -> None:
        self._model, self._logit_offset = model, logit_offset

    def loss(self, phase: str, batch: Batch, unseen: Tensor) -> StepResult:
        """`unseen` bool [B, T + 1]: prompt tokens to be shown as unused ones."""
        shown = batch.rows.masked_fill(unseen & ~batch.is_target, SHARED_ROW)
        if phase == "main":
            return self._main(batch, shown)
        return self._mtp(batch, shown) if phase == "mtp" else self._indexer(shown)

    def _main(self, batch: Batch, shown: Tensor) -> StepResult:
        probe = DenseProbe()
        hidden = self._model.forward_dense(shown[:, :-1], probe=probe)
        loss, num_targets = self._cross_entropy(hidden, batch, shift=1)
        return StepResult(loss, num_targets, probe.expert_counts)

    def _mtp(self, batch: Batch, shown: Tensor) -> StepResult:
        """At t the MTP layer sees the hidden state of t and token t + 1, and predicts t + 2."""
        with torch.no_grad():
            hidden = self._model.forward_dense(shown[:, :-2])
        probe = DenseProbe()
        ahead = self._model.mtp_forward_dense(hidden, shown[:, 1:-1], probe=probe)
        loss, num_targets = self._cross_entropy(ahead, batch, shift=2)
        return StepResult(loss, num_targets, probe.expert_counts)

    def _cross_entropy(self, hidden: Tensor, batch: Batch, shift: int) -> tuple[Tensor, int]:
        """hidden [B, T, d] at places 0 .. T-1 against the tokens `shift` further on. Tokens
        without a row of their own are never a target."""
        targets = batch.rows[:, shift:]
        wanted = batch.is_target[:, shift:] & (targets != SHARED_ROW)
        logits = self._model.compute_logits(hidden[wanted]) + self._logit_offset
        return F.cross_entropy(logits, targets[wanted]), int(wanted.sum())

    def _indexer(self, shown: Tensor) -> StepResult:
        """Kullback-Leibler divergence from where attention looks to what the indexer scores."""
        probe = DenseProbe(wants_indexer=True)
        with torch.enable_grad():
            hidden = self._model.forward_dense(shown[:, :-1], probe=probe)
            if self._model.mtp_layer is not None:
                self._model.mtp_forward_dense(hidden, shown[:, 1:], probe=probe)
        losses = [divergence(indexer) for indexer in probe.indexers.values()]
        return StepResult(torch.stack(losses).mean(), shown.numel(), {})


def divergence(probe: IndexerProbe) -> Tensor:
    """Mean over queries of KL(attention || softmax(scores)); padding counts like any token."""
    log_scores = probe.index_scores.log_softmax(-1)
    probs = probe.attention_probs
    terms = probs * (probs.clamp(min=1e-9).log() - log_scores.masked_fill(probs == 0, 0.0))
    return terms.sum(-1).mean()


@torch.no_grad()
def balance(model: DeepseekV32ForCausalLM, expert_counts: dict[int, Tensor], rate: float) -> None:
    """Move each expert's selection bias a step up when it got less than the mean, else down
    (Wang et al. 2024, the balancing without an auxiliary loss that V3 uses)."""
    for layer_index, counts in expert_counts.items():
        gate = model.get_submodule(f"model.layers.{layer_index}.mlp.gate")
        assert isinstance(gate, Gate)
        if gate.e_score_correction_bias is not None:
            load = counts.float()
            gate.e_score_correction_bias += rate * (load.mean() - load).sign()
