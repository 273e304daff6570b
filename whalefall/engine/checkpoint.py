"""Checkpoint directories in the Hugging Face layout: which tensors there are, where they lie, and
whether they are what the config promises.

It knows files, names and shapes; what the values mean is the model's business. Describing one
needs no torch, which takes seconds to import: only reading a tensor does."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from whalefall.engine.config import ModelConfig
from whalefall.engine.errors import CheckpointError
from whalefall.engine.shapes import expected_shapes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Checkpoint",
    "Description",
    "describe",
    "expected_shapes",
    "problems",
    "shared_names",
    "weight_block_size",
]

INDEX_NAME = "model.safetensors.index.json"
SCALE_SUFFIX = "_scale_inv"
BLOCK = (128, 128)
"""Rows and columns of a weight that share one scale, unless the config says otherwise."""
_HEADER_BYTES_MAX = 100 << 20
_FP8 = "F8_E4M3"
_DTYPES = ("F32", "BF16", "F16", _FP8)


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor as the files' tables describe it; nothing has been read yet."""

    name: str
    file: Path
    dtype: str
    """safetensors' word: F32, BF16, F8_E4M3 ..."""
    shape: tuple[int, ...]

    @property
    def num_elements(self) -> int:
        return math.prod(self.shape)

    @property
    def is_fp8(self) -> bool:
        return self.dtype == _FP8


@dataclass(frozen=True, slots=True)
class Description:
    """What `model info` shows."""

    config: ModelConfig
    num_parameters: int
    """Counted from the tensors on disk; scales and repeated tensors left out."""
    num_expected: int
    """Counted from the config alone."""
    num_tensors: int
    num_bytes: int
    dtypes: Mapping[str, int]
    """Elements per storage type, scales left out."""
    problems: tuple[str, ...]
    """What keeps it from being loaded; empty when it can be."""


class Checkpoint:
    """The tensors of one directory, found in whatever shard they are, read one at a time."""

    def __init__(self, directory: Path) -> None:
        """Raises CheckpointError when the directory holds no readable checkpoint."""
        self.directory = directory
        self.files = _shards(directory)
        self.entries = {entry.name: entry for path in self.files for entry in _table(path)}
        if not self.entries:
            raise CheckpointError(f"{directory} holds no tensors (*.safetensors)")
        self.config = _without_absent_mtp(ModelConfig.from_directory(directory), self.entries)
        self._open: dict[Path, Any] = {}

    def tensor(self, name: str) -> Tensor:
        """Memory-mapped: the bytes are read when they are used. Each file is opened once."""
        path = self.entries[name].file
        if path not in self._open:
            self._open[path] = safe_open(str(path), framework="pt")
        tensor: Tensor = self._open[path].get_tensor(name)
        return tensor

    def scale_name(self, name: str) -> str | None:
        """The partner of an FP8 weight, which may lie in another shard."""
        partner = name + SCALE_SUFFIX
        return partner if partner in self.entries else None


def describe(directory: Path) -> Description:
    """Read the tables of all files and compare them with the config. Raises CheckpointError."""
    checkpoint = Checkpoint(directory)
    expected = expected_shapes(checkpoint.config)
    weights = [e for e in checkpoint.entries.values() if not e.name.endswith(SCALE_SUFFIX)]
    dtypes: dict[str, int] = {}
    for entry in weights:
        dtypes[entry.dtype] = dtypes.get(entry.dtype, 0) + entry.num_elements
    return Description(
        config=checkpoint.config,
        num_parameters=sum(entry.num_elements for entry in weights if entry.name in expected),
        num_expected=sum(math.prod(shape) for shape in expected.values()),
        num_tensors=len(checkpoint.entries),
        num_bytes=sum(path.stat().st_size for path in checkpoint.files),
        dtypes=dtypes,
        problems=tuple(problems(checkpoint)),
    )


def shared_names(config: ModelConfig) -> dict[str, str]:
    """Names under which a checkpoint may repeat a tensor, and the name it is stored by."""
    names = {}
    head = "lm_head.weight"
    if config.tie_word_embeddings:
        names[head] = head = "model.embed_tokens.weight"
    if config.num_nextn_predict_layers:
        mtp = f"model.layers.{config.num_hidden_layers}."
        names[mtp + "embed_tokens.weight"] = "model.embed_tokens.weight"
        names[mtp + "shared_head.head.weight"] = head
    return names


def problems(checkpoint: Checkpoint) -> Iterator[str]:
    """What keeps the checkpoint from being loaded, one sentence each."""
    expected = expected_shapes(checkpoint.config)
    for name, shape in expected.items():
        entry = checkpoint.entries.get(name)
        if entry is None:
            yield f"{name} is missing"
        elif entry.shape != shape:
            yield f"{name} has the shape {list(entry.shape)}, the config says {list(shape)}"
        elif entry.dtype not in _DTYPES:
            yield f"{name} is stored as {entry.dtype}, which is none of {', '.join(_DTYPES)}"
        else:
            yield from _scale_problems(checkpoint, entry)
    shared = shared_names(checkpoint.config)
    for name in checkpoint.entries:
        owner = name.removesuffix(SCALE_SUFFIX)
        if owner not in expected and owner not in shared and not name.endswith(".inv_freq"):
            yield f"{name} belongs to no part of the model"


def _scale_problems(checkpoint: Checkpoint, entry: TensorEntry) -> Iterator[str]:
    scale = checkpoint.entries.get(entry.name + SCALE_SUFFIX)
    if scale is None:
        if entry.is_fp8:
            yield f"{entry.name} is FP8 and has no {entry.name}{SCALE_SUFFIX}"
        return
    if not entry.is_fp8:
        yield f"{scale.name} scales a tensor that is stored as {entry.dtype}"
        return
    rows, columns = weight_block_size(checkpoint.config)
    expected = (-(-entry.shape[0] // rows), -(-entry.shape[1] // columns))
    if scale.shape != expected:
        yield f"{scale.name} has the shape {list(scale.shape)}, not {list(expected)}"


def weight_block_size(config: ModelConfig) -> tuple[int, int]:
    return config.quantization.weight_block_size if config.quantization else BLOCK


def _without_absent_mtp(config: ModelConfig, names: Iterable[str]) -> ModelConfig:
    """Converters, and transformers when it saves, leave the MTP layer out and the config as it
    was. A checkpoint with none of its tensors is a model without one."""
    prefix = f"model.layers.{config.num_hidden_layers}."
    if any(name.startswith(prefix) for name in names):
        return config
    return replace(config, num_nextn_predict_layers=0)


def _shards(directory: Path) -> list[Path]:
    index = directory / INDEX_NAME
    if not index.is_file():
        return sorted(directory.glob("*.safetensors"))
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        strays = [name for name in names if Path(name).name != name]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is damaged: {error!r}") from None
    if strays:
        raise CheckpointError(f"{index} names files outside its directory: {', '.join(strays)}")
    missing = [name for name in names if not (directory / name).is_file()]
    if missing:
        raise CheckpointError(f"{directory} lacks {', '.join(missing)}, which its index names")
    return [directory / name for name in names]


def _table(path: Path) -> Iterator[TensorEntry]:
    """The table at a safetensors file's beginning: its length (uint64), then that much JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _HEADER_BYTES_MAX:
                raise CheckpointError(f"{path} is damaged: its table would be {length} bytes")
            table = json.loads(file.read(length))
        for name, entry in table.items():
            if name != "__metadata__":
                shape = tuple(int(size) for size in entry["shape"])
                yield TensorEntry(name, path, str(entry["dtype"]), shape)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {error!r}") from None
