"""The feed-forward half of a layer: a dense MLP, or a gate, routed experts and a shared one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalefall.engine.config import ModelConfig
from whalefall.engine.kernels.kernel_set import REFERENCE, KernelSet, MLPWeights
from whalefall.engine.kernels.layer_parts import Mixture, MixtureParts, Product
from whalefall.engine.kernels.reference.moe_experts import moe_experts
from whalefall.engine.kernels.reference.moe_gate import GateRule
from whalefall.engine.layers.linear import Linear


class MLP(nn.Module):
    """down(silu(gate(x)) * up(x)); an expert is one of these too."""

    def __init__(self, dim: int, intermediate_size: int) -> None:
        super().__init__()
        self.gate_proj = Linear(dim, intermediate_size)
        self.up_proj = Linear(dim, intermediate_size)
        self.down_proj = Linear(intermediate_size, dim)
        self._product: Product | None = None

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] -> [..., dim]."""
        if self._product is None:
            return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return self._product(x)

    def freeze(self, kernels: KernelSet) -> None:
        self._product = kernels.prepare_mlp(*self.joined())

    @property
    def product(self) -> Product:
        """As it was prepared."""
        assert self._product is not None, "the block has not been frozen"
        return self._product

    def joined(self) -> MLPWeights:
        """Lay gate_proj and up_proj out as one matrix, of which both become views: one product
        instead of two. The rows, and so the results, are the same."""
        gate_up = torch.cat((self.gate_proj.weight.data, self.up_proj.weight.data))
        self.gate_proj.weight.data, self.up_proj.weight.data = gate_up.chunk(2)
        return gate_up, self.down_proj.weight.data


class Gate(nn.Module):
    """Chooses the experts in fp32. V3's `e_score_correction_bias` steers the load and is trained
    outside the gradient; V2 has none."""

    e_score_correction_bias: Tensor | None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size))
        has_bias = config.topk_method == "noaux_tc"
        bias = torch.zeros(config.n_routed_experts, dtype=torch.float32) if has_bias else None
        self.register_buffer("e_score_correction_bias", bias)
        self.rule = GateRule(
            num_experts_per_tok=config.num_experts_per_tok,
            n_group=config.n_group,
            topk_group=config.topk_group,
            topk_method=config.topk_method,
            scoring_func=config.scoring_func,
            norm_topk_prob=config.norm_topk_prob,
            routed_scaling_factor=config.routed_scaling_factor,
        )
        self._product: Product | None = None
        self._kernels = REFERENCE

    def freeze(self, kernels: KernelSet) -> None:
        self._kernels = kernels
        self._product = kernels.prepare_linear(self.weight.data.float())

    @property
    def product(self) -> Product:
        """The logits, as they were prepared."""
        assert self._product is not None, "the gate has not been frozen"
        return self._product

    def forward(self, x: Tensor, expert_ids: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """x [T, d] -> ids int64 [T, K] ascending, weights fp32 [T, K], scores fp32 [T, E]."""
        if self._product is None:
            # In fp32 whatever autocast says: the choice of experts hangs on small differences.
            with torch.autocast(x.device.type, enabled=False):
                logits = F.linear(x.float(), self.weight.float())
        else:
            logits = self._product(x.float())
        bias = self.e_score_correction_bias
        return self._kernels.moe_gate(logits, bias, self.rule, expert_ids)


class MoE(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.moe_intermediate_size
        self.gate = Gate(config)
        self.experts = nn.ModuleList(
            MLP(config.hidden_size, width) for _ in range(config.n_routed_experts)
        )
        self.shared_experts = (
            MLP(config.hidden_size, width * config.n_shared_experts)
            if config.n_shared_experts
            else None
        )
        self._mixture: Mixture | None = None

    def freeze(self, kernels: KernelSet) -> None:
        self.gate.freeze(kernels)
        if self.shared_experts is not None:
            self.shared_experts.freeze(kernels)
        experts = [each.joined() for each in self.experts if isinstance(each, MLP)]
        self._mixture = kernels.prepare_experts(experts)

    def parts(self) -> MixtureParts:
        """For a kernel that computes a whole layer. Frozen before."""
        assert self._mixture is not None, "the experts have not been frozen"
        return MixtureParts(
            router=self.gate.product,
            bias=self.gate.e_score_correction_bias,
            rule=self.gate.rule,
            num_experts=len(self.experts),
            experts=self._mixture,
            shared=None if self.shared_experts is None else self.shared_experts.product,
        )

    def forward(self, x: Tensor, expert_ids: Tensor, expert_weights: Tensor) -> Tensor:
        """x [P, d]; expert_ids, expert_weights [T, K] with T <= P -> [P, d].

        Rows from T on are padding: they take the shared expert only, and are never read."""
        T = expert_ids.shape[0]
        if self._mixture is None:
            routed = moe_experts(x[:T], expert_ids, expert_weights, list(self.experts))
        else:
            routed = self._mixture(x[:T], expert_ids, expert_weights)
        if T < x.shape[0]:
            routed = F.pad(routed, (0, 0, 0, x.shape[0] - T))
        if self.shared_experts is not None:
            routed = routed + self.shared_experts(x)
        return routed.to(x.dtype)
