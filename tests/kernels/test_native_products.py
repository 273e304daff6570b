"""Native matrix products against their PyTorch twins, and the bits of a row against its company."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support.native import native, native_library
from whalefall.engine.kernels.cpu.packed_weight import pack_weight
from whalefall.engine.kernels.kernel_set import REFERENCE
from whalefall.engine.kernels.reference.fp8_dequantize import fp8_dequantize
from whalefall.engine.kernels.reference.fp8_quantize import fp8_quantize

ROWS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 13, 33)
SHAPES = [(1, 1), (4, 64), (63, 31), (64, 128), (65, 129), (130, 300), (224, 256)]
STORAGES = pytest.mark.parametrize("storage", ["e4m3", "bfloat16", "float32"])


def make_weight(shape: tuple[int, int], storage: str) -> Tensor:
    """Random values that fit exactly into the storage, and into none that is smaller."""
    weight = torch.randn(shape) * torch.rand(shape[0], 1).exp2()
    if storage == "e4m3":
        return fp8_dequantize(*fp8_quantize(weight, (128, 128), power_of_two=True), (128, 128))
    return weight.bfloat16().float() if storage == "bfloat16" else weight


def assert_rows_alone(product: object, x: Tensor, together: Tensor) -> None:
    """Any stretch of rows gives the bits it gave among all."""
    assert callable(product)
    for count in (1, 2, 3, 5, 6, 7):
        for start in range(0, x.shape[0] - count + 1, 4):
            part = product(x[start : start + count])
            assert torch.equal(part, together[start : start + count]), (start, count)


@STORAGES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_linear(shape: tuple[int, int], storage: str) -> None:
    weight = make_weight(shape, storage)
    product, twin = native().prepare_linear(weight), REFERENCE.prepare_linear(weight)
    for num_rows in ROWS:
        x = torch.randn(num_rows, shape[1])
        assert torch.allclose(product(x), twin(x), atol=2e-4, rtol=1e-4)
    x = torch.randn(33, shape[1])
    assert_rows_alone(product, x, product(x))


@STORAGES
def test_weight_is_kept_in_the_smallest_storage_that_loses_nothing(storage: str) -> None:
    weight = make_weight((200, 300), storage)
    packed = pack_weight(native_library(), weight)
    names = {"e4m3": torch.float8_e4m3fn, "bfloat16": torch.bfloat16, "float32": torch.float32}
    assert packed.values.dtype == names[storage]
    unit = torch.eye(300)
    assert torch.equal(native().prepare_linear(weight)(unit), weight.T)


@pytest.mark.parametrize("value", [0.0, -0.0, 2.0**-9 * 1e-4, 448.0, 1e30, 1e-30])
def test_weights_of_one_value_are_exact(value: float) -> None:
    weight = torch.full((70, 5), value)
    assert torch.equal(native().prepare_linear(weight)(torch.eye(5)), weight.T)


def test_every_e4m3_value_is_exact() -> None:
    codes = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
    weight = codes[codes.isfinite()].repeat(70, 1)
    assert pack_weight(native_library(), weight).values.dtype == torch.float8_e4m3fn
    for num_rows in (1, 4, 6):  # widened in registers, and through memory
        x = torch.eye(weight.shape[1])[:, None].expand(-1, num_rows, -1).contiguous()
        for column, rows in enumerate(x):
            out = native().prepare_linear(weight)(rows) if column % 50 == 0 else None
            assert out is None or torch.equal(out, weight[:1, column].expand(num_rows, 70))
    assert torch.equal(native().prepare_linear(weight)(torch.eye(weight.shape[1])), weight.T)


def test_weight_that_is_not_finite_stays_as_it_is() -> None:
    weight = torch.tensor([[1.0, torch.inf], [torch.nan, 2.0]])
    out = native().prepare_linear(weight)(torch.tensor([[1.0, 0.0]]))
    assert out[0, 1].isnan()


def test_linear_takes_leading_dimensions_and_slices() -> None:
    weight = torch.randn(20, 12)
    wide = torch.randn(3, 5, 40)
    product = native().prepare_linear(weight)
    out = product(wide[..., 7:19])
    assert out.shape == (3, 5, 20)
    assert torch.allclose(out, wide[..., 7:19] @ weight.T, atol=1e-5)
    assert torch.equal(
        product(wide.transpose(0, 1)[..., :12]), product(wide[..., :12]).transpose(0, 1)
    )


@pytest.mark.parametrize(("heads", "inputs", "outputs"), [(1, 5, 7), (4, 64, 192), (3, 33, 17)])
def test_head_linear(heads: int, inputs: int, outputs: int) -> None:
    weights = torch.randn(heads, outputs, inputs)
    product = native().prepare_head_linear(weights)
    twin = REFERENCE.prepare_head_linear(weights)
    for num_rows in ROWS:
        x = torch.randn(num_rows, heads, inputs + 6)[..., 3 : 3 + inputs]
        assert torch.allclose(product(x), twin(x), atol=1e-4)
    x = torch.randn(33, heads, inputs)
    assert_rows_alone(product, x, product(x))


@STORAGES
@pytest.mark.parametrize(("width", "inner"), [(64, 32), (40, 19), (256, 128)])
def test_gated_mlp(width: int, inner: int, storage: str) -> None:
    gate_up, down = make_weight((2 * inner, width), storage), make_weight((width, inner), storage)
    product, twin = native().prepare_mlp(gate_up, down), REFERENCE.prepare_mlp(gate_up, down)
    for num_rows in (*ROWS, 100):
        x = torch.randn(num_rows, width) * 0.2
        assert torch.allclose(product(x), twin(x), atol=1e-3, rtol=1e-3)
    x = torch.randn(33, width)
    assert_rows_alone(product, x, product(x))
