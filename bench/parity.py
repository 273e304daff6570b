"""Does the engine compute what transformers computes? `python -m bench.parity` prints the table.

A tiny seeded checkpoint is made by transformers, saved with its own `save_pretrained`, loaded by
the engine, and both run the same tokens in fp32. Two selections of V3.2 are discontinuous (experts,
keys): one near tie decided the other way changes everything after it. So the engine is compared
twice, choosing by itself and following transformers' choices, and the choices are compared alone,
layer by layer, each on transformers' own inputs."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    DeepseekV2Config,
    DeepseekV2ForCausalLM,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    DeepseekV32Config,
    DeepseekV32ForCausalLM,
)

from whalefall.engine import loader
from whalefall.engine.config import BLOCK_SIZE
from whalefall.engine.layers import moe
from whalefall.engine.layers.rotary import Rotation
from whalefall.engine.models import deepseek_v32
from whalefall.engine.models.batch import ForwardBatch, PagedCache, Selections, SequenceSlice

KINDS = ("v2-lite", "v2", "v3", "v3.2")

_SHAPE: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 128,
    "intermediate_size": 256,
    "moe_intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "n_shared_experts": 1,
    "n_routed_experts": 16,
    "num_experts_per_tok": 4,
    "routed_scaling_factor": 2.5,
    "kv_lora_rank": 64,
    "q_lora_rank": 96,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "n_group": 4,
    "topk_group": 2,
    "first_k_dense_replace": 1,
    "norm_topk_prob": True,
    "max_position_embeddings": 1024,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
_YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 256,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
}


@dataclass(frozen=True)
class Reference:
    """What transformers computed for one sequence, and every choice it made."""

    logits: Tensor
    """fp32 [T, vocab]."""
    selections: Selections
    layer_inputs: dict[int, Tensor]
    """[1, T, d]: hidden states entering each decoder layer."""
    layer_outputs: dict[int, Tensor]
    attention_outputs: dict[int, Tensor]


@dataclass(frozen=True)
class Parity:
    """One row of the table; differences are the largest over all positions and logits."""

    kind: str
    num_tokens: int
    logit_std: float
    free: float
    """Dense pass, the engine's own choices."""
    injected: float
    """Dense pass, transformers' choices."""
    paged: float
    """Served from pages: a prompt in uneven chunks, then token by token; transformers' choices."""
    attention: float
    """One layer's attention on transformers' input, worst layer."""
    layer: float
    """One whole layer on transformers' input, worst layer."""
    argmax_agreement: float
    """Share of positions with the same likeliest token, own choices."""
    num_choices: int
    num_differing_choices: int
    """Expert sets and key sets that differ on the same input."""
    worst_gap: float
    """The score gap at the border of the worst differing choice; 0 when none differs."""


def hugging_face_model(kind: str, seed: int = 0) -> Any:  # noqa: ANN401 - transformers is untyped
    """A tiny random model of one of KINDS. Weights from N(0, 0.08), biases from N(0, 0.05)."""
    torch.manual_seed(seed)
    model: Any
    if kind == "v3.2":
        sizes: dict[str, Any] = {"index_topk": 64, "index_head_dim": 32, "index_n_heads": 8}
        model = DeepseekV32ForCausalLM(DeepseekV32Config(**_SHAPE, **sizes, rope_parameters=_YARN))
    elif kind == "v3":
        model = DeepseekV3ForCausalLM(DeepseekV3Config(**_SHAPE, rope_parameters=_YARN))
    else:
        model = DeepseekV2ForCausalLM(_v2_config(is_lite=kind == "v2-lite"))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.08)
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.normal_(0, 0.05)
    return model.eval()


def _v2_config(*, is_lite: bool) -> Any:  # noqa: ANN401
    changes: dict[str, Any] = {"norm_topk_prob": False, "n_shared_experts": 2}
    changes["rope_parameters"] = {**_YARN, "mscale": 0.707, "mscale_all_dim": 0.707}
    if is_lite:
        changes |= {"q_lora_rank": None, "topk_method": "greedy", "routed_scaling_factor": 1.0}
        changes |= {"n_group": 1, "topk_group": 1}
    else:
        changes |= {"topk_method": "group_limited_greedy", "routed_scaling_factor": 16.0}
    return DeepseekV2Config(**{**_SHAPE, **changes})


@dataclass
class _Recorder:
    """Forward hooks on a transformers model, and what they saw."""

    model: Any
    inputs: dict[int, Tensor] = field(default_factory=dict)
    outputs: dict[int, Tensor] = field(default_factory=dict)
    attention: dict[int, Tensor] = field(default_factory=dict)
    selections: Selections = field(default_factory=Selections)

    def run(self, token_ids: Tensor) -> Tensor:
        handles = []
        for index, layer in enumerate(self.model.model.layers):
            handles.append(layer.register_forward_hook(self._saw_layer(index)))
            handles.append(layer.self_attn.register_forward_hook(self._saw_attention(index)))
            if hasattr(layer.mlp, "gate"):
                handles.append(layer.mlp.gate.register_forward_hook(self._saw_gate(index)))
            if hasattr(layer.self_attn, "indexer"):
                indexer = layer.self_attn.indexer
                handles.append(indexer.register_forward_hook(self._saw_indexer(index)))
        with torch.no_grad():
            logits = self.model(token_ids).logits[0]
        for handle in handles:
            handle.remove()
        assert isinstance(logits, Tensor)
        return logits.float()

    def _saw_layer(self, index: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401
            self.inputs[index] = inputs[0]
            self.outputs[index] = output[0] if isinstance(output, tuple) else output

        return hook

    def _saw_attention(self, index: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401
            self.attention[index] = output[0]

        return hook

    def _saw_gate(self, index: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401
            self.selections.expert_ids[index] = output[2].sort(-1).values

        return hook

    def _saw_indexer(self, index: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401
            self.selections.key_positions[index] = _visible_keys(output[0].long())

        return hook


def _visible_keys(picked: Tensor) -> Tensor:
    """int64 [T, k] in any order, early rows filled up with keys that the causal mask hides ->
    ascending, with -1 behind."""
    T = picked.shape[0]
    beyond = picked > torch.arange(T)[:, None]
    ordered = picked.masked_fill(beyond, T).sort(-1).values
    return ordered.masked_fill(ordered == T, -1)


def reference_run(model: Any, token_ids: Tensor) -> Reference:  # noqa: ANN401
    """token_ids int64 [T]."""
    recorder = _Recorder(model)
    logits = recorder.run(token_ids[None])
    return Reference(
        logits, recorder.selections, recorder.inputs, recorder.outputs, recorder.attention
    )


def load_saved(model: Any, directory: Path) -> deepseek_v32.DeepseekV32ForCausalLM:  # noqa: ANN401
    """Through the checkpoint on disk: transformers saves, the engine loads."""
    model.save_pretrained(directory)
    return loader.load_model(directory, torch.float32)[0]


def measure(kind: str, num_tokens: int = 200, seed: int = 0) -> Parity:
    reference_model = hugging_face_model(kind, seed)
    token_ids = torch.randint(0, 512, (num_tokens,), generator=torch.Generator().manual_seed(seed))
    reference = reference_run(reference_model, token_ids)
    with tempfile.TemporaryDirectory() as directory:
        model = load_saved(reference_model, Path(directory))
    injected = reference.selections.injected()
    with torch.no_grad():
        free = model.compute_logits(model.forward_dense(token_ids[None]))[0]
        told = model.compute_logits(model.forward_dense(token_ids[None], selections=injected))[0]
        paged = model.compute_logits(serve_paged(model, token_ids, injected))
        attention, layer = layer_differences(model, reference)
        choices = compare_choices(model, reference)
    return Parity(
        kind=kind,
        num_tokens=num_tokens,
        logit_std=float(reference.logits.std()),
        free=largest(free - reference.logits),
        injected=largest(told - reference.logits),
        paged=largest(paged - reference.logits),
        attention=attention,
        layer=layer,
        argmax_agreement=float((free.argmax(-1) == reference.logits.argmax(-1)).float().mean()),
        num_choices=choices.num_choices,
        num_differing_choices=choices.num_differing,
        worst_gap=choices.worst_gap,
    )


def largest(difference: Tensor) -> float:
    return float(difference.abs().max())


def serve_paged(
    model: deepseek_v32.DeepseekV32ForCausalLM, token_ids: Tensor, injected: Selections
) -> Tensor:
    """Chunks of 50 up to the last 20 tokens, then one at a time: hidden states [T, d]."""
    T = token_ids.shape[0]
    num_blocks = -(-T // BLOCK_SIZE)
    cache = PagedCache.allocate(model.config, num_blocks, torch.float32)
    block_table = torch.arange(num_blocks).flip(0)
    borders = [*range(0, T - 20, 50), *range(T - 20, T + 1)]
    parts = []
    for start, end in itertools.pairwise(borders):
        positions = torch.arange(start, end)
        slots = block_table[positions // BLOCK_SIZE] * BLOCK_SIZE + positions % BLOCK_SIZE
        whole = SequenceSlice(0, end - start, start, block_table)
        batch = ForwardBatch(token_ids[start:end], positions, slots, (whole,))
        parts.append(model(batch, cache, _rows(injected, start, end)))
    return torch.cat(parts)


def _rows(selections: Selections, start: int, end: int) -> Selections:
    return Selections(
        {index: ids[start:end] for index, ids in selections.expert_ids.items()},
        {index: keys[start:end] for index, keys in selections.key_positions.items()},
        is_injected=True,
    )


def layer_differences(
    model: deepseek_v32.DeepseekV32ForCausalLM, reference: Reference
) -> tuple[float, float]:
    """The worst layer's attention and the worst layer, each on transformers' own input and with
    its choices."""
    rotation = _rotation(model, reference)
    context = deepseek_v32.DensePass(rotation, reference.selections.injected(), None)
    attention, whole = 0.0, 0.0
    for index, layer in enumerate(model.decoder_layers):
        hidden = reference.layer_inputs[index]
        keys = reference.selections.key_positions.get(index)
        attended, _ = layer.self_attn.forward_dense(
            layer.input_layernorm(hidden), rotation, None if keys is None else keys[None]
        )
        attention = max(attention, largest(attended - reference.attention_outputs[index]))
        out = layer.forward_dense(hidden, context)
        whole = max(whole, largest(out - reference.layer_outputs[index]))
    return attention, whole


def _rotation(model: deepseek_v32.DeepseekV32ForCausalLM, reference: Reference) -> Rotation:
    return model.rotary.at(torch.arange(reference.logits.shape[0]))


@dataclass
class ChoiceComparison:
    num_choices: int = 0
    num_differing: int = 0
    worst_gap: float = 0.0

    def add(self, own: Tensor, other: Tensor, gaps: Tensor) -> None:
        """own, other [T, k] in canonical order; gaps [T]: how narrow each decision was."""
        differs = (own != other).any(-1)
        self.num_choices += own.shape[0]
        self.num_differing += int(differs.sum())
        if differs.any():
            self.worst_gap = max(self.worst_gap, float(gaps[differs].max()))


def compare_choices(
    model: deepseek_v32.DeepseekV32ForCausalLM, reference: Reference
) -> ChoiceComparison:
    """Every expert set and every key set, each decided on transformers' own layer input."""
    comparison = ChoiceComparison()
    rotation = _rotation(model, reference)
    for index, layer in enumerate(model.decoder_layers):
        x = layer.input_layernorm(reference.layer_inputs[index])
        keys = reference.selections.key_positions.get(index)
        attention = layer.self_attn
        if keys is not None and attention.indexer is not None:
            scores = attention.indexer.scores_dense(x, attention.query_latent(x), rotation)[0]
            own = Selections()
            layer.forward_dense(
                reference.layer_inputs[index], deepseek_v32.DensePass(rotation, own, None)
            )
            comparison.add(own.key_positions[index], keys, _border_gaps(scores, keys.shape[1]))
        experts = reference.selections.expert_ids.get(index)
        if experts is not None:
            _compare_experts(layer, reference, experts, comparison)
    return comparison


def _compare_experts(
    layer: deepseek_v32.DecoderLayer,
    reference: Reference,
    experts: Tensor,
    comparison: ChoiceComparison,
) -> None:
    index = layer.layer_index
    middle = reference.layer_inputs[index] + reference.attention_outputs[index]
    x = layer.post_attention_layernorm(middle)[0]
    assert isinstance(layer.mlp, moe.MoE)
    own, _, scores = layer.mlp.gate(x)
    bias = layer.mlp.gate.e_score_correction_bias
    biased = scores if bias is None else scores + bias
    comparison.add(own, experts, _narrowest_gaps(biased))


def _border_gaps(scores: Tensor, k: int) -> Tensor:
    """[T, S] -> [T]: the step from the k-th to the next score; infinite where all are taken."""
    if scores.shape[1] <= k:
        return torch.full((scores.shape[0],), torch.inf)
    best = scores.topk(k + 1, dim=-1).values
    return torch.where(best[:, -1].isfinite(), best[:, -2] - best[:, -1], torch.inf)


def _narrowest_gaps(scores: Tensor) -> Tensor:
    """[T, E] -> [T]: the smallest step between neighbouring scores, whichever decided."""
    return -scores.sort(-1, descending=True).values.diff(dim=-1).max(-1).values


def table(rows: list[Parity]) -> str:
    lines = [
        "largest |difference| from transformers' logits, fp32",
        "model    tokens  logit std  own choices  injected  paged     attention  layer     "
        "same argmax  choices differing (gap)",
    ]
    lines += [
        f"{row.kind:<8} {row.num_tokens:>6}  {row.logit_std:>9.2f}  {row.free:>11.1e}"
        f"  {row.injected:.1e}   {row.paged:.1e}   {row.attention:.1e}    {row.layer:.1e}"
        f"  {row.argmax_agreement:>11.1%}"
        f"  {row.num_differing_choices} of {row.num_choices} ({row.worst_gap:.0e})"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    print(table([measure(kind) for kind in KINDS]))


if __name__ == "__main__":
    main()
