"""The model: embedding, decoder layers of MLA and MLP or MoE, norm, head, and the MTP layer.

Modules are named so that parameters carry the checkpoint's names. The same class serves V2, V3
and V3.2; `ModelConfig` says which parts exist. It must not know files, requests or sampling."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalefall.engine.config import ModelConfig
from whalefall.engine.kernels.kernel_set import (
    REFERENCE,
    KernelSet,
    LayerForward,
    freeze_children,
)
from whalefall.engine.kernels.layer_parts import LayerParts, Product
from whalefall.engine.kernels.row_padding import pad_ids, pad_rows
from whalefall.engine.layers.attention_plan import plan_attention
from whalefall.engine.layers.distinct_rows import distinct_rows
from whalefall.engine.layers.linear import Linear
from whalefall.engine.layers.mla import MLA, IndexerProbe, KeyChoice, PagedPass
from whalefall.engine.layers.moe import MLP, MoE
from whalefall.engine.layers.norm import RMSNorm
from whalefall.engine.layers.rotary import RotaryTable, Rotation
from whalefall.engine.models.batch import ForwardBatch, PagedCache, Selections

_FLOAT32_PARAMETERS = ("mlp.gate.weight", "indexer.weights_proj.weight", "indexer.k_norm")


@dataclass
class DenseProbe:
    """What a trainer sees of a dense pass, by layer index. The pass fills it."""

    wants_indexer: bool = False
    """Also run dense attention in full to compare the indexer with: costs [B, H, T, T]."""
    expert_counts: dict[int, Tensor] = field(default_factory=dict)
    """int64 [E]: tokens that went to each expert; what moves `e_score_correction_bias`."""
    gate_scores: dict[int, Tensor] = field(default_factory=dict)
    """fp32 [B * T, E] with gradient, before the bias: for a balance loss."""
    expert_ids: dict[int, Tensor] = field(default_factory=dict)
    """int64 [B * T, K]."""
    indexers: dict[int, IndexerProbe] = field(default_factory=dict)


@dataclass(frozen=True)
class DensePass:
    """What every layer of a dense pass needs besides the hidden states."""

    rotation: Rotation
    selections: Selections | None
    probe: DenseProbe | None


class DecoderLayer(nn.Module):
    def __init__(self, config: ModelConfig, layer_index: int) -> None:
        super().__init__()
        self.layer_index = layer_index
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = MLA(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp: MLP | MoE = (
            MoE(config)
            if config.is_moe_layer(layer_index)
            else MLP(config.hidden_size, config.intermediate_size)
        )

        self._whole: LayerForward | None = None

    def freeze(self, kernels: KernelSet) -> None:
        freeze_children(self, kernels)
        if kernels.prepare_layer is not None:
            self._whole = kernels.prepare_layer(self._parts())
        else:
            self._whole = None

    def _parts(self) -> LayerParts:
        return LayerParts(
            width=self.input_layernorm.weight.shape[0],
            norm_eps=self.input_layernorm.eps,
            input_norm=self.input_layernorm.weight.data,
            post_norm=self.post_attention_layernorm.weight.data,
            attention=self.self_attn.parts(),
            feed_forward=self.mlp.product if isinstance(self.mlp, MLP) else self.mlp.parts(),
        )

    def forward_dense(self, hidden: Tensor, context: DensePass) -> Tensor:
        """[B, T, d] -> [B, T, d]."""
        selections, index = context.selections, self.layer_index
        x = self.input_layernorm(hidden)
        if context.probe is not None and context.probe.wants_indexer:
            context.probe.indexers[index] = self.self_attn.probe_indexer(x, context.rotation)
        given = selections.injected_keys(index) if selections else None
        shaped = None if given is None else given.view(*hidden.shape[:2], -1)
        attended, key_positions = self.self_attn.forward_dense(x, context.rotation, shaped)
        if key_positions is not None and selections:
            selections.key_positions[index] = key_positions.flatten(0, 1)
        hidden = hidden + attended
        x = self.post_attention_layernorm(hidden).flatten(0, 1)
        out = self.feed_forward(x, x.shape[0], selections, context.probe)
        return hidden + out.view(hidden.shape)

    def forward_paged(
        self,
        hidden: Tensor,
        batch: ForwardBatch,
        context: PagedPass,
        cache: PagedCache,
        selections: Selections | None,
    ) -> Tensor:
        """[P, d] -> [P, d]; writes the batch's T tokens to the cache, then reads from it."""
        index, T = self.layer_index, batch.token_ids.shape[0]
        storage = cache.layer(index)
        if self._whole is not None and selections is None:
            rotation = context.rotation.cos, context.rotation.sin
            stored = storage.latent, storage.rope_key, storage.index_key
            return self._whole(hidden, rotation, batch.slot_mapping, context.plan.groups, stored)
        x = self.input_layernorm(hidden)
        self.self_attn.write_cache(x, context.rotation, batch.slot_mapping, storage)
        choice = self._key_choice(T, selections)
        hidden = hidden + self.self_attn.forward_paged(x, context, storage, choice)
        x = self.post_attention_layernorm(hidden)
        return hidden + self.feed_forward(x, T, selections)

    def _key_choice(self, num_tokens: int, selections: Selections | None) -> KeyChoice | None:
        indexer = self.self_attn.indexer
        if selections is None or indexer is None:
            return None
        given = selections.injected_keys(self.layer_index)
        if given is not None:
            return KeyChoice(given, is_injected=True)
        empty = torch.full((num_tokens, indexer.index_topk), -1)
        selections.key_positions[self.layer_index] = empty
        return KeyChoice(empty, is_injected=False)

    def feed_forward(
        self,
        x: Tensor,
        num_tokens: int,
        selections: Selections | None,
        probe: DenseProbe | None = None,
    ) -> Tensor:
        """x [P, d], of which the first num_tokens rows count -> [P, d]."""
        if isinstance(self.mlp, MLP):
            return self.mlp(x)
        index = self.layer_index
        given = selections.injected_experts(index) if selections else None
        if given is not None:
            given = F.pad(given, (0, 0, 0, x.shape[0] - num_tokens))
        ids, weights, scores = self.mlp.gate(x, given)
        ids, weights, scores = ids[:num_tokens], weights[:num_tokens], scores[:num_tokens]
        if selections:
            selections.expert_ids[index] = ids
        if probe is not None:
            probe.expert_counts[index] = ids.flatten().bincount(minlength=scores.shape[-1])
            probe.gate_scores[index] = scores
            probe.expert_ids[index] = ids
        return self.mlp(x, ids, weights)


class SharedHead(nn.Module):
    """The MTP layer's own final norm, and the main model's head under the checkpoint's name."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.head = Linear(config.hidden_size, config.vocab_size)

    def freeze(self, kernels: KernelSet) -> None:
        """The head is the main model's, which prepares it."""
        self.norm.freeze(kernels)


class MTPLayer(DecoderLayer):
    """Predicts one token further: from the hidden state at t and token t + 1, token t + 2."""

    def __init__(self, config: ModelConfig, layer_index: int) -> None:
        super().__init__(config, layer_index)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.enorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hnorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.eh_proj = Linear(2 * config.hidden_size, config.hidden_size)
        self.shared_head = SharedHead(config)

    def combine(self, hidden: Tensor, next_embedded: Tensor) -> Tensor:
        """hidden [..., T, d] after the main model's final norm, next_embedded [..., T, d] of the
        tokens after -> [..., T, d]."""
        return self.eh_proj(torch.cat((self.enorm(next_embedded), self.hnorm(hidden)), dim=-1))


class DeepseekV32Model(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            DecoderLayer(config, index) for index in range(config.num_hidden_layers)
        )
        if config.num_nextn_predict_layers:
            self.layers.append(MTPLayer(config, config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def freeze(self, kernels: KernelSet) -> None:
        self.norm.freeze(kernels)
        freeze_children(self.layers, kernels)


class DeepseekV32ForCausalLM(nn.Module):
    """Construction leaves matrices uninitialised: call `initialize`, or load a checkpoint."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = DeepseekV32Model(config)
        self.lm_head = Linear(config.hidden_size, config.vocab_size)
        self.rotary = RotaryTable(config)
        self.kernels = REFERENCE
        """What it runs with once frozen."""
        self._head: Product | None = None
        self.share_weights()

    def share_weights(self) -> None:
        """One tensor under each of its names: a tied head, the MTP layer's embedding and head."""
        if self.config.tie_word_embeddings:
            self.lm_head.weight = _parameter(self.model.embed_tokens)
        mtp = self.mtp_layer
        if mtp is not None:
            mtp.embed_tokens.weight = _parameter(self.model.embed_tokens)
            mtp.shared_head.head.weight = self.lm_head.weight

    def freeze(self, kernels: KernelSet = REFERENCE) -> None:
        """No more training: prepare what serving profits from. Weights must not change later."""
        self.kernels = kernels
        self.eval().requires_grad_(False)
        self.model.freeze(kernels)
        distinct = distinct_rows(self.lm_head.weight)
        weight = self.lm_head.weight.data if distinct is None else distinct.weight
        product = kernels.prepare_linear(weight)
        self._head = product if distinct is None else distinct.spread(product)

    @property
    def decoder_layers(self) -> list[DecoderLayer]:
        layers = list(self.model.layers)[: self.config.num_hidden_layers]
        return [layer for layer in layers if isinstance(layer, DecoderLayer)]

    @property
    def mtp_layer(self) -> MTPLayer | None:
        last = self.model.layers[-1]
        return last if isinstance(last, MTPLayer) else None

    @torch.no_grad()
    def initialize(self, seed: int, std: float = 0.02) -> None:
        """Matrices from N(0, std), norms at one, biases at zero; the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, std, generator=generator)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)

    def set_dtype(self, dtype: torch.dtype) -> None:
        """Cast the parameters, except those that decide discrete choices: they stay in fp32."""
        for name, parameter in self.named_parameters():
            parameter.data = parameter.data.to(parameter_dtype(name, dtype))
        if self._head is not None:
            self.freeze()

    def forward_dense(
        self,
        token_ids: Tensor,
        *,
        selections: Selections | None = None,
        probe: DenseProbe | None = None,
    ) -> Tensor:
        """token_ids int64 [B, T] -> hidden [B, T, d] after the final norm.

        Whole sequences from position 0, no cache, differentiable: the form for training."""
        embedded = self.model.embed_tokens(token_ids)
        return self.forward_embedded(embedded, selections=selections, probe=probe)

    def forward_embedded(
        self,
        embedded: Tensor,
        *,
        selections: Selections | None = None,
        probe: DenseProbe | None = None,
    ) -> Tensor:
        """`forward_dense` from embedded tokens [B, T, d] on."""
        context = self._dense_pass(embedded, selections, probe)
        hidden = embedded
        for layer in self.decoder_layers:
            hidden = layer.forward_dense(hidden, context)
        return self.model.norm(hidden)

    def mtp_forward_dense(
        self,
        hidden: Tensor,
        next_token_ids: Tensor,
        *,
        selections: Selections | None = None,
        probe: DenseProbe | None = None,
    ) -> Tensor:
        """hidden [B, T, d] from `forward_dense`, next_token_ids int64 [B, T] (token t + 1 at t)
        -> [B, T, d] after the MTP layer's norm; `compute_logits` of it predicts token t + 2."""
        embedded = self.model.embed_tokens(next_token_ids)
        return self.mtp_forward_embedded(hidden, embedded, selections=selections, probe=probe)

    def mtp_forward_embedded(
        self,
        hidden: Tensor,
        next_embedded: Tensor,
        *,
        selections: Selections | None = None,
        probe: DenseProbe | None = None,
    ) -> Tensor:
        """`mtp_forward_dense` from embedded next tokens [B, T, d] on."""
        mtp = self.mtp_layer
        assert mtp is not None, "the model has no MTP layer"
        combined = mtp.combine(hidden, next_embedded)
        context = self._dense_pass(combined, selections, probe)
        return mtp.shared_head.norm(mtp.forward_dense(combined, context))

    @torch.no_grad()
    def forward(
        self, batch: ForwardBatch, cache: PagedCache, selections: Selections | None = None
    ) -> Tensor:
        """-> hidden [T, d] after the final norm. Writes each token's cache entries, all decoder
        layers of them, and attends to what the block tables name.

        Batch-invariant: a token's result has the same bits whatever chunk or batch it came in."""
        context = self._paged_pass(batch)
        hidden = self.model.embed_tokens(self._padded_ids(batch.token_ids))
        for layer in self.decoder_layers:
            hidden = layer.forward_paged(hidden, batch, context, cache, selections)
        return self.model.norm(hidden)[: batch.token_ids.shape[0]]

    @torch.no_grad()
    def mtp_forward(
        self,
        batch: ForwardBatch,
        hidden: Tensor,
        next_token_ids: Tensor,
        cache: PagedCache,
        selections: Selections | None = None,
    ) -> Tensor:
        """The MTP layer over the same batch: hidden [T, d] from `forward`, next_token_ids
        int64 [T] (token t + 1 at t) -> [T, d], whose logits predict token t + 2.

        Fills the MTP layer's part of the same slots, so it runs for prompt tokens too."""
        mtp = self.mtp_layer
        assert mtp is not None, "the model has no MTP layer"
        padded = pad_rows(hidden, self.kernels.row_multiple)
        combined = mtp.combine(padded, mtp.embed_tokens(self._padded_ids(next_token_ids)))
        context = self._paged_pass(batch)
        out = mtp.forward_paged(combined, batch, context, cache, selections)
        return mtp.shared_head.norm(out)[: batch.token_ids.shape[0]]

    def compute_logits(self, hidden: Tensor) -> Tensor:
        """hidden [..., d] after the final norm -> fp32 [..., vocab]."""
        rows = hidden.reshape(-1, hidden.shape[-1])
        head = self.lm_head if self._head is None else self._head
        logits = head(pad_rows(rows, self.kernels.row_multiple))[: rows.shape[0]]
        return logits.float().view(*hidden.shape[:-1], -1)

    def _paged_pass(self, batch: ForwardBatch) -> PagedPass:
        plan = plan_attention(batch, self.config.index_topk, is_ragged=self.kernels.is_ragged)
        return PagedPass(self.rotary.at(self._padded_ids(batch.positions)), plan)

    def _padded_ids(self, ids: Tensor) -> Tensor:
        return pad_ids(ids, self.kernels.row_multiple)

    def _dense_pass(
        self, hidden: Tensor, selections: Selections | None, probe: DenseProbe | None
    ) -> DensePass:
        positions = torch.arange(hidden.shape[1], device=hidden.device)
        return DensePass(self.rotary.at(positions), selections, probe)


def _parameter(module: nn.Embedding) -> nn.Parameter:
    weight = module.weight
    assert isinstance(weight, nn.Parameter)
    return weight


def parameter_dtype(name: str, dtype: torch.dtype) -> torch.dtype:
    """fp32 for gate, bias, indexer head weights and key norm; `dtype` for everything else."""
    is_exact = any(part in name for part in (*_FLOAT32_PARAMETERS, "e_score_correction_bias"))
    return torch.float32 if is_exact else dtype
