"""The optimiser: orthogonalised momentum for matrices, AdamW for everything else.

Matrices of the layers follow Muon (Jordan et al. 2024): momentum, then the nearest orthogonal
matrix by a Newton-Schulz iteration, run for all matrices of one shape together. The embedding,
the gates and the norms follow AdamW (Loshchilov and Hutter 2019)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from training.parallel import Workers

_QUINTICS = (
    (8.2051, -22.9019, 16.4607),
    (4.0664, -2.8612, 0.5184),
    (3.9096, -2.8234, 0.5250),
    (3.2856, -2.4153, 0.4853),
)
"""Coefficients of each iteration: the first lifts small singular values steeply, the later ones
gather them around one (Polar Express, Amsel et al. 2025)."""


_TOGETHER_MAX = 12
"""Matrices in one call: enough to be worth it, few enough to share between workers."""


@dataclass(frozen=True)
class OptimizerSettings:
    matrix_learning_rate: float = 0.003
    """An orthogonal step is as large whatever the gradient's size, so with batches of a few
    thousand tokens its noise decides (docs/log.md has what five times this rate did)."""
    matrix_momentum: float = 0.95
    matrix_weight_decay: float = 0.1
    """Keeps what a layer adds in proportion to what it is added to."""
    table_learning_rate: float = 2e-3
    learning_rate: float = 1e-3
    """Of gates."""
    vector_learning_rate: float = 3e-4
    """Of norms."""
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.0


class Muon:
    """Steps matrices [R, C]; state is one momentum buffer per matrix."""

    def __init__(
        self,
        parameters: dict[str, nn.Parameter],
        settings: OptimizerSettings,
        workers: Workers,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`dtype`: in which the iteration computes."""
        self._dtype = dtype
        self._settings, self._workers = settings, workers
        self._parameters = parameters
        self._buffers = {name: torch.zeros_like(p) for name, p in parameters.items()}
        by_shape: dict[tuple[int, int], list[str]] = defaultdict(list)
        for name, parameter in parameters.items():
            rows, columns = parameter.shape
            by_shape[min(rows, columns), max(rows, columns)].append(name)
        self._alike = [
            names[start : start + _TOGETHER_MAX]
            for names in by_shape.values()
            for start in range(0, len(names), _TOGETHER_MAX)
        ]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """`scale` is the schedule's share of the learning rate. Matrices without a gradient
        (experts that no token went to) count as having a gradient of zero."""
        settings = self._settings
        self._workers.run(
            partial(self._step_alike, names, settings.matrix_learning_rate * scale)
            for names in self._alike
        )

    @torch.no_grad()
    def _step_alike(self, names: Sequence[str], rate: float) -> None:
        """Matrices of one shape."""
        updates = [self._nesterov(name) for name in names]
        wide = [u.T if u.shape[0] > u.shape[1] else u for u in updates]
        stacked = torch.stack(wide).to(self._dtype)
        for name, flat in zip(names, orthogonalized(stacked), strict=True):
            parameter = self._parameters[name]
            rows, columns = parameter.shape
            update = flat.T if rows > columns else flat
            parameter.mul_(1 - rate * self._settings.matrix_weight_decay)
            parameter.add_(update, alpha=-rate * max(1.0, rows / columns) ** 0.5)

    def _nesterov(self, name: str) -> Tensor:
        momentum = self._settings.matrix_momentum
        gradient, buffer = self._parameters[name].grad, self._buffers[name]
        if gradient is None:
            return buffer.mul_(momentum) * momentum
        buffer.lerp_(gradient, 1 - momentum)
        return gradient.lerp(buffer, momentum)

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self._buffers)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, buffer in self._buffers.items():
            buffer.copy_(state[name])


def orthogonalized(matrices: Tensor) -> Tensor:
    """[N, R, C] with R <= C -> the same with singular values near 1."""
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-7)
    for a, b, c in _QUINTICS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Optimizer:
    """Both optimisers over the parameters that take gradients, with one learning-rate scale."""

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        settings: OptimizerSettings,
        workers: Workers,
        matrix_dtype: torch.dtype = torch.float32,
    ) -> None:
        """`matrix_dtype`: in which the steps of matrices are computed."""
        matrices: dict[str, nn.Parameter] = {}
        others: dict[str, nn.Parameter] = {}
        for name, parameter in named_parameters:
            if parameter.requires_grad:
                (matrices if is_matrix(name, parameter) else others)[name] = parameter
        self._settings = settings
        self._muon = Muon(matrices, settings, workers, matrix_dtype)
        self._adam = torch.optim.AdamW(
            [
                {"params": [parameter], "base_rate": _base_rate(name, parameter, settings)}
                for name, parameter in others.items()
            ],
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self._parameters = [*matrices.values(), *others.values()]

    def step(self, scale: float) -> None:
        for group in self._adam.param_groups:
            group["lr"] = group["base_rate"] * scale
        self._adam.step()
        self._muon.step(scale)
        for parameter in self._parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Moments are the checkpoint's; rates are those of this run's settings."""
        rates = [group["base_rate"] for group in self._adam.param_groups]
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])
        for group, rate in zip(self._adam.param_groups, rates, strict=True):
            group["base_rate"] = rate


def _base_rate(name: str, parameter: Tensor, settings: OptimizerSettings) -> float:
    if parameter.dim() < 2:
        return settings.vector_learning_rate
    return settings.table_learning_rate if "embed_tokens" in name else settings.learning_rate


def is_matrix(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a plain linear map inside a layer. The gate is not: its rows are
    one expert's direction each, and its scale decides how sharply experts are chosen."""
    is_table = "embed_tokens" in name or "lm_head" in name or "shared_head.head" in name
    return parameter.dim() == 2 and not is_table and "mlp.gate.weight" not in name
