"""The optimiser: orthogonal updates, and who is stepped by which rule."""

from __future__ import annotations

import torch
from torch import nn

from training.optimizer import Optimizer, OptimizerSettings, is_matrix, orthogonalized
from training.parallel import Workers


def test_orthogonalized_brings_singular_values_near_one() -> None:
    matrices = torch.randn(3, 16, 40, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalized(matrices))
    assert values.min() > 0.4
    assert values.max() < 1.7


def test_tables_and_gates_are_not_matrices() -> None:
    weight = torch.zeros(4, 4)
    assert is_matrix("model.layers.0.self_attn.o_proj.weight", weight)
    assert not is_matrix("model.embed_tokens.weight", weight)
    assert not is_matrix("model.layers.1.mlp.gate.weight", weight)
    assert not is_matrix("model.norm.weight", torch.zeros(4))


def test_steps_reduce_a_quadratic_and_state_survives_a_reload() -> None:
    def losses(num_before: int, num_after: int) -> list[float]:
        torch.manual_seed(0)
        weight, scale = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.ones(4))
        named = [("layer.weight", weight), ("norm.weight", scale)]
        seen = []
        workers = Workers(2)
        optimizer = Optimizer(named, OptimizerSettings(), workers)
        for step in range(num_before + num_after):
            if step == num_before:
                state = optimizer.state_dict()
                optimizer = Optimizer(named, OptimizerSettings(), workers)
                optimizer.load_state_dict(state)
            loss = ((weight * scale) ** 2).sum()
            torch.autograd.backward(loss)
            optimizer.step(1.0)
            seen.append(loss.item())
        workers.close()
        return seen

    straight, reloaded = losses(40, 0), losses(15, 25)
    assert straight[-1] < straight[0]
    assert straight == reloaded


def test_rates_after_a_reload_are_those_of_the_settings() -> None:
    def step_of_norm(settings: OptimizerSettings, state: dict[str, object] | None) -> float:
        scale = nn.Parameter(torch.ones(4))
        workers = Workers(1)
        optimizer = Optimizer([("norm.weight", scale)], settings, workers)
        if state is not None:
            optimizer.load_state_dict(state)
        torch.autograd.backward(scale.sum())
        optimizer.step(1.0)
        states.append(optimizer.state_dict())
        workers.close()
        return float((1 - scale.detach()).mean())

    states: list[dict[str, object]] = []
    slow, fast = OptimizerSettings(), OptimizerSettings(vector_learning_rate=3e-2)
    assert step_of_norm(slow, None) < 1e-3
    assert step_of_norm(fast, states[0]) > 1e-2
