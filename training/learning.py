"""One training step of each phase: what is computed, what is compared, who gets gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from training.batches import Batch
from training.vocabulary import Classes, RareRows, sampled_classes
from whalefall.engine.layers.indexer import Indexer
from whalefall.engine.layers.mla import IndexerProbe
from whalefall.engine.layers.moe import Gate
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM, DenseProbe

_ALL_KEYS = 1 << 30
_SAMPLED_CLASSES = 1024


@dataclass(frozen=True)
class StepResult:
    loss_sum: Tensor
    """Over the targets."""
    num_targets: int
    expert_counts: dict[int, Tensor] = field(default_factory=dict)


def part_of_parameter(name: str, num_hidden_layers: int) -> str:
    """The part of the model that a parameter belongs to: "indexer", "mtp" or "main"."""
    if ".indexer." in name:
        return "indexer"
    return "mtp" if name.startswith(f"model.layers.{num_hidden_layers}.") else "main"


def prepare_for_phase(model: DeepseekV32ForCausalLM, part: str, is_sparse: bool) -> None:
    """Let only one part take gradients, and queries see all keys or the indexer's choice."""
    num_layers = model.config.num_hidden_layers
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of_parameter(name, num_layers) == part)
    assert model.config.index_topk is not None
    for module in model.modules():
        if isinstance(module, Indexer):
            module.index_topk = model.config.index_topk if is_sparse else _ALL_KEYS


@dataclass(frozen=True)
class _Words:
    """A batch's tokens, and the table of what they are told from."""

    places: Tensor
    """int64 [B, T + 1]: rows of `table`."""
    table: Tensor
    """[C, d]; takes gradients in the phases that train it."""
    rare_ids: Tensor
    """int64 [E]: the ids behind the table's last E rows."""
    classes: Classes

    def embedded(self) -> Tensor:
        """[B, T + 1, d]"""
        return F.embedding(self.places, self.table)


class Learner:
    def __init__(self, model: DeepseekV32ForCausalLM, rare_rows: RareRows) -> None:
        self._model, self._rare_rows = model, rare_rows

    def result(self, part: str, batch: Batch) -> StepResult:
        words = self._words(batch)
        if part == "indexer":
            return self._indexer(batch, words)
        return self._mtp(batch, words) if part == "mtp" else self._main(batch, words)

    def _words(self, batch: Batch) -> _Words:
        trained = self._model.model.embed_tokens.weight
        classes = sampled_classes(batch.rows, trained.shape[0], _SAMPLED_CLASSES)
        table, rare_ids = self._rare_rows.used_table(trained, batch.rare_ids, classes)
        return _Words(classes.place_of(batch.rows), table, rare_ids, classes)

    def _main(self, batch: Batch, words: _Words) -> StepResult:
        probe = DenseProbe()
        hidden = self._model.forward_embedded(words.embedded()[:, :-1], probe=probe)
        return self._cross_entropy(hidden, batch, 1, words, probe)

    def _mtp(self, batch: Batch, words: _Words) -> StepResult:
        """At t the MTP layer sees the hidden state of t and token t + 1, and predicts t + 2."""
        embedded = words.embedded()
        with torch.no_grad():
            hidden = self._model.forward_embedded(embedded[:, :-2])
        probe = DenseProbe()
        ahead = self._model.mtp_forward_embedded(hidden, embedded[:, 1:-1], probe=probe)
        return self._cross_entropy(ahead, batch, 2, words, probe)

    def _cross_entropy(
        self, hidden: Tensor, batch: Batch, shift: int, words: _Words, probe: DenseProbe
    ) -> StepResult:
        """hidden [B, T, d] at places 0 .. T-1 against the tokens `shift` further on."""
        wanted = batch.is_target[:, shift:]
        logits = self._rare_rows.logits(hidden[wanted], words.table, words.rare_ids, words.classes)
        loss = F.cross_entropy(logits, words.places[:, shift:][wanted], reduction="sum")
        return StepResult(loss, int(wanted.sum()), probe.expert_counts)

    def _indexer(self, batch: Batch, words: _Words) -> StepResult:
        """Kullback-Leibler divergence from where attention looks to what the indexer scores.
        Places where the model speaks are few and matter most: they make half of the loss."""
        probe = DenseProbe(wants_indexer=True)
        embedded = words.embedded()
        hidden = self._model.forward_embedded(embedded[:, :-1], probe=probe)
        if self._model.mtp_layer is not None:
            self._model.mtp_forward_embedded(hidden, embedded[:, 1:], probe=probe)
        speaks = batch.is_target[:, 1:]
        num_targets = int(speaks.sum())
        losses = []
        for indexer in probe.indexers.values():
            terms = divergence(indexer)
            losses.append(0.5 * terms.mean() * num_targets + 0.5 * terms[speaks].sum())
        return StepResult(torch.stack(losses).mean(), num_targets)


def divergence(probe: IndexerProbe) -> Tensor:
    """[B, T]: KL(attention || softmax(scores)) of each query."""
    log_scores = probe.index_scores.log_softmax(-1)
    probs = probe.attention_probs
    terms = probs * (probs.clamp(min=1e-9).log() - log_scores.masked_fill(probs == 0, 0.0))
    return terms.sum(-1)


def summed_counts(results: Sequence[StepResult]) -> dict[int, Tensor]:
    counts: dict[int, Tensor] = {}
    for result in results:
        for layer_index, part in result.expert_counts.items():
            counts[layer_index] = counts.get(layer_index, torch.zeros_like(part)) + part
    return counts


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
