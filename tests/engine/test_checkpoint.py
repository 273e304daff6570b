from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.support.tiny_model import TINY_V2_LITE, TINY_V3, TINY_V32, random_tokens, tiny_model
from whalefall.engine import checkpoint_writer
from whalefall.engine.checkpoint import INDEX_NAME, describe
from whalefall.engine.checkpoint_writer import is_quantized, save_checkpoint
from whalefall.engine.config import ModelConfig, QuantizationConfig
from whalefall.engine.errors import CheckpointError
from whalefall.engine.loader import load_model
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

RAGGED = replace(TINY_V32, quantization=QuantizationConfig((24, 40)))
"""Blocks that divide none of the model's sizes."""


def logits(model: DeepseekV32ForCausalLM) -> Tensor:
    tokens = torch.tensor([random_tokens(model.config, 100)])
    with torch.no_grad():
        return model.compute_logits(model.forward_dense(tokens))[0]


def saved(directory: Path, config: ModelConfig = TINY_V32) -> DeepseekV32ForCausalLM:
    model = tiny_model(config)
    save_checkpoint(directory, config, model.state_dict())
    return model


def edit_shard(directory: Path, name: str, tensor: Tensor | None) -> None:
    """Replace or remove one tensor where it is stored."""
    index = json.loads((directory / INDEX_NAME).read_text())
    file = directory / index["weight_map"][name]
    tensors = load_file(file)
    if tensor is None:
        del tensors[name]
    else:
        tensors[name] = tensor
    save_file(tensors, file)


@pytest.mark.parametrize(
    "config", [TINY_V32, TINY_V3, TINY_V2_LITE, replace(TINY_V32, tie_word_embeddings=True)]
)
def test_saved_model_is_loaded_as_it_was_up_to_bfloat16(
    config: ModelConfig, tmp_path: Path
) -> None:
    original = saved(tmp_path, config)
    heard: list[float] = []
    loaded, read_config = load_model(tmp_path, progress=lambda _, share: heard.append(share))
    assert read_config == config
    state = loaded.state_dict()
    for name, tensor in original.state_dict().items():
        assert torch.equal(state[name], tensor.bfloat16().float()) or name.endswith("bias"), name
        assert state[name].dtype == torch.float32
    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (0.0, 1.0)


def test_bfloat16_model_keeps_its_choices_in_fp32(tmp_path: Path) -> None:
    saved(tmp_path)
    model, _ = load_model(tmp_path, torch.bfloat16)
    assert model.lm_head.weight.dtype == torch.bfloat16
    assert model.state_dict()["model.layers.1.mlp.gate.weight"].dtype == torch.float32
    assert torch.isfinite(logits(model)).all()


@pytest.mark.parametrize("scale_fmt", [None, "ue8m0"])
def test_fp8_checkpoint_is_close_and_half_the_size(scale_fmt: str | None, tmp_path: Path) -> None:
    config = replace(RAGGED, quantization=QuantizationConfig((24, 40), scale_fmt))
    original = saved(tmp_path / "fp8", config)
    save_checkpoint(tmp_path / "bf16", config, original.state_dict(), fp8=False)
    found = describe(tmp_path / "fp8")
    assert found.problems == ()
    assert found.dtypes["F8_E4M3"] > 0.5 * found.num_parameters
    assert found.num_bytes < 0.75 * describe(tmp_path / "bf16").num_bytes
    model, _ = load_model(tmp_path / "fp8")
    for name, tensor in original.state_dict().items():
        if is_quantized(name):
            error = (model.state_dict()[name] - tensor).norm() / tensor.norm()
            assert 0.001 < float(error) < 0.04, name


def test_scale_is_found_in_another_shard(tmp_path: Path) -> None:
    saved(tmp_path, RAGGED)
    before = logits(load_model(tmp_path)[0])
    index = json.loads((tmp_path / INDEX_NAME).read_text())
    old = tmp_path / "model-00001-of-00001.safetensors"
    tensors = load_file(old)
    scales = {name: tensor for name, tensor in tensors.items() if name.endswith("_scale_inv")}
    assert len(scales) > 100
    weights = {name: tensor for name, tensor in tensors.items() if name not in scales}
    save_file(weights, tmp_path / "a.safetensors")
    save_file(scales, tmp_path / "b.safetensors")
    old.unlink()
    index["weight_map"] = dict.fromkeys(weights, "a.safetensors")
    index["weight_map"] |= dict.fromkeys(scales, "b.safetensors")
    (tmp_path / INDEX_NAME).write_text(json.dumps(index))
    assert torch.equal(logits(load_model(tmp_path)[0]), before)
    (tmp_path / INDEX_NAME).unlink()
    assert torch.equal(logits(load_model(tmp_path)[0]), before)


def test_ue8m0_scales_are_read_in_their_own_type(tmp_path: Path) -> None:
    saved(tmp_path, replace(RAGGED, quantization=QuantizationConfig((24, 40), "ue8m0")))
    before = logits(load_model(tmp_path)[0])
    file = tmp_path / "model-00001-of-00001.safetensors"
    tensors = load_file(file)
    for name, tensor in tensors.items():
        if name.endswith("_scale_inv"):
            tensors[name] = tensor.to(torch.float8_e8m0fnu)
    save_file(tensors, file)
    assert torch.equal(logits(load_model(tmp_path)[0]), before)


def test_large_checkpoints_are_cut_into_shards(tmp_path: Path) -> None:
    model = tiny_model(replace(TINY_V3, vocab_size=120_000, hidden_size=256))
    save_checkpoint(tmp_path, model.config, model.state_dict())
    files = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert len(files) == 3
    assert files[0] == "model-00001-of-00003.safetensors"
    limit = checkpoint_writer.SHARD_BYTES_MAX
    assert min((tmp_path / name).stat().st_size for name in files) < limit
    assert describe(tmp_path).problems == ()
    small = saved(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert load_model(tmp_path)[1] == small.config


def test_what_deepseek_quantizes() -> None:
    layer = "model.layers.3."
    assert is_quantized(layer + "self_attn.kv_a_proj_with_mqa.weight")
    assert is_quantized(layer + "self_attn.indexer.wk.weight")
    assert is_quantized(layer + "mlp.experts.12.down_proj.weight")
    for kept in (
        "mlp.gate.weight",
        "self_attn.indexer.weights_proj.weight",
        "self_attn.q_a_layernorm.weight",
        "eh_proj.weight",
        "shared_head.head.weight",
    ):
        assert not is_quantized(layer + kept), kept
    assert not is_quantized("lm_head.weight")


def test_parameters_are_counted_from_the_tensors_and_from_the_config(tmp_path: Path) -> None:
    model = saved(tmp_path)
    found = describe(tmp_path)
    count = sum(parameter.numel() for parameter in model.parameters())
    biases = 3 * 16  # buffers in the model, tensors in the checkpoint
    assert found.num_parameters == found.num_expected == count + biases
    assert found.problems == ()


def test_mtp_layer_left_out_is_a_model_without_one(tmp_path: Path) -> None:
    config = replace(TINY_V32, num_nextn_predict_layers=0)
    model = tiny_model(config)
    save_checkpoint(tmp_path, config, model.state_dict())
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(raw | {"num_nextn_predict_layers": 1}))
    loaded, read = load_model(tmp_path)
    assert read.num_nextn_predict_layers == 0
    assert loaded.mtp_layer is None


def test_repeated_tensor_must_be_the_same(tmp_path: Path) -> None:
    model = saved(tmp_path)
    name, file = "model.layers.3.shared_head.head.weight", tmp_path / "extra.safetensors"
    save_file({name: model.lm_head.weight.detach().bfloat16()}, file)
    (tmp_path / INDEX_NAME).unlink()
    load_model(tmp_path)
    save_file({name: torch.zeros(320, 64, dtype=torch.bfloat16)}, file)
    with pytest.raises(CheckpointError, match=r"shared_head.head.weight differs from lm_head"):
        load_model(tmp_path)


EMBEDDING = "model.embed_tokens.weight"
Q_A = "model.layers.0.self_attn.q_a_proj.weight"


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (EMBEDDING, None, "model.embed_tokens.weight is missing"),
        (EMBEDDING, torch.zeros(3, 64), r"has the shape \[3, 64\], the config says \[320, 64\]"),
        (EMBEDDING, torch.zeros(320, 64, dtype=torch.int8), "stored as I8"),
        (Q_A + "_scale_inv", None, "is FP8 and has no"),
        (Q_A + "_scale_inv", torch.zeros(1, 1), r"_scale_inv has the shape \[1, 1\], not \[2, 2\]"),
        (Q_A, torch.zeros(48, 64), "scales a tensor that is stored as F32"),
    ],
)
def test_broken_checkpoint_is_refused_with_what_is_wrong(
    name: str, tensor: Tensor | None, message: str, tmp_path: Path
) -> None:
    saved(tmp_path, RAGGED)
    edit_shard(tmp_path, name, tensor)
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path)
    assert describe(tmp_path).problems


def test_tensor_of_another_model_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / INDEX_NAME).unlink()
    save_file({"vision.weight": torch.zeros(2)}, tmp_path / "more.safetensors")
    with pytest.raises(CheckpointError, match=r"vision.weight belongs to no part of the model"):
        load_model(tmp_path)


def test_long_lists_of_problems_are_cut(tmp_path: Path) -> None:
    saved(tmp_path)
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(raw | {"num_hidden_layers": 5}))
    with pytest.raises(CheckpointError, match=r"\(and \d+ more\)"):
        load_model(tmp_path)


def test_index_must_stay_in_its_directory_and_name_real_files(tmp_path: Path) -> None:
    saved(tmp_path)
    for file_name, message in (("../a.safetensors", "outside"), ("b.safetensors", "lacks")):
        index = {"weight_map": {EMBEDDING: file_name}}
        (tmp_path / INDEX_NAME).write_text(json.dumps(index))
        with pytest.raises(CheckpointError, match=message):
            describe(tmp_path)
    (tmp_path / INDEX_NAME).write_text("{}")
    with pytest.raises(CheckpointError, match="damaged"):
        describe(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 4, b"\xff" * 64, b"\x05\0\0\0\0\0\0\0{{{{{"])
def test_damaged_files_are_refused(content: bytes, tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "model-00001-of-00001.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(tmp_path)


def test_cut_file_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    file = tmp_path / "model-00001-of-00001.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="model-00001-of-00001"):
        load_model(tmp_path)


def test_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no tensors"):
        describe(tmp_path)


def test_incomplete_state_is_not_written(tmp_path: Path) -> None:
    state = tiny_model().state_dict()
    del state["model.norm.weight"]
    with pytest.raises(CheckpointError, match=r"model.norm.weight .* missing"):
        save_checkpoint(tmp_path / "new", TINY_V32, state)
    assert not (tmp_path / "new").exists()
