"""A tiny seeded model as a checkpoint directory, for tests that start a real engine process."""

from __future__ import annotations

from pathlib import Path

from tests.support.tiny_model import TINY_V32, tiny_model
from whalefall.engine.checkpoint import shared_names
from whalefall.engine.checkpoint_writer import save_checkpoint
from whalefall.engine.config import ModelConfig


def write_tiny_checkpoint(directory: Path, config: ModelConfig = TINY_V32) -> Path:
    repeated = shared_names(config)
    state = tiny_model(config).state_dict()
    stored = {name: tensor for name, tensor in state.items() if name not in repeated}
    save_checkpoint(directory, config, stored, fp8=False)
    return directory
