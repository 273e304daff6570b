"""Writes a trained run as the checkpoint that Whalefall serves, and tries it out:
`python -m training.export --run-dir runs/whalefall-tiny --output models/whalefall-tiny`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.recipe import FULL_VOCAB_SIZE, Recipe, model_with_rows
from training.rendering import MODEL_NAME, Renderer
from training.sampling import TrainedRun, continuation
from training.token_forms import TokenForms, token_forms
from training.trainer import trained_state
from training.vocabulary import RareRows, SubVocabulary
from whalefall.chat.formats.v3_2 import V32Format
from whalefall.chat.messages import ChatRequest, Message, Role
from whalefall.chat.tokenizer import Tokenizer
from whalefall.engine.checkpoint import INDEX_NAME
from whalefall.engine.checkpoint_writer import save_checkpoint
from whalefall.engine.config import ModelConfig
from whalefall.engine.fp8 import SCALE_SUFFIX, quantize
from whalefall.engine.loader import load_model
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

_EMBEDDING = "model.embed_tokens.weight"
_TOKENS_MAX = 40
_TRIED = ("Hi", "Who are you?", "What is 2 + 2?", "你是谁？", "What is the capital of Japan?")


def load_run(checkpoint: Path, config: ModelConfig, forms: TokenForms, seed: int) -> TrainedRun:
    """The model as it was trained, over its sub-vocabulary. `seed` is the run's: the directions of
    rare ids follow from it."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    vocabulary = SubVocabulary(tuple(saved["token_ids"]), config.vocab_size)
    model = DeepseekV32ForCausalLM(model_with_rows(config, vocabulary.num_rows))
    model.load_state_dict(saved["model"], strict=False)
    model.share_weights()
    rare_rows = RareRows(vocabulary, forms, config.hidden_size, seed)
    return TrainedRun(model.eval().requires_grad_(False), vocabulary, rare_rows)


def export(run: TrainedRun, config: ModelConfig, output: Path) -> None:
    """Every id gets a row: its own, or the one computed for it. Besides the matrices that DeepSeek
    keeps in FP8 the embedding is FP8 too, so that no file is larger than 50 MB."""
    state = dict(trained_state(run.model))
    state[_EMBEDDING] = run.rare_rows.full_table(state[_EMBEDDING])
    for old in output.glob("*.safetensors"):
        old.unlink()
    save_checkpoint(output, config, state, fp8=True)
    _quantize_embedding(output, state[_EMBEDDING])


def _quantize_embedding(directory: Path, embedding: Tensor) -> None:
    """Replace the embedding in its shard by e4m3 values and their scales."""
    index_file = directory / INDEX_NAME
    index = json.loads(index_file.read_text(encoding="utf-8"))
    shard = directory / index["weight_map"][_EMBEDDING]
    weight, scale = quantize(embedding, power_of_two=True)
    tensors = load_file(shard)
    before = tensors[_EMBEDDING].nbytes
    tensors[_EMBEDDING], tensors[_EMBEDDING + SCALE_SUFFIX] = weight, scale
    save_file(tensors, shard, metadata={"format": "pt"})
    index["weight_map"][_EMBEDDING + SCALE_SUFFIX] = shard.name
    index["metadata"]["total_size"] += weight.nbytes + scale.nbytes - before
    index_file.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def comparison(run: TrainedRun, directory: Path, renderer: Renderer) -> list[tuple[str, str, str]]:
    """(question, answer as trained, answer as exported), always the likeliest token."""
    exported, _ = load_model(directory)
    chat = V32Format(renderer.tokenizer)
    rows = []
    for question in _TRIED:
        request = ChatRequest(model=MODEL_NAME, messages=(Message(Role.USER, question),))
        prompt = chat.render(request)
        said = likeliest(exported, torch.tensor(prompt), renderer.end_id)
        trained = continuation(run, renderer, prompt)
        rows.append((question, trained, renderer.tokenizer.decode(said)))
    return rows


@torch.no_grad()
def likeliest(model: DeepseekV32ForCausalLM, token_ids: Tensor, end_id: int) -> list[int]:
    """token_ids int64 [T] -> the likeliest continuation before `end_id`, recomputed each time."""
    said: list[int] = []
    while len(said) < _TOKENS_MAX:
        hidden = model.forward_dense(token_ids.unsqueeze(0))[0, -1]
        token_id = int(model.compute_logits(hidden).argmax())
        if token_id == end_id:
            break
        said.append(token_id)
        token_ids = torch.cat((token_ids, torch.tensor([token_id])))
    return said


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/whalefall-tiny"))
    parser.add_argument("--output", type=Path, default=Path("models/whalefall-tiny"))
    parser.add_argument("--seed", type=int, default=Recipe.seed, help="of the run")
    options = parser.parse_args(arguments)
    config, renderer = Recipe().model, Renderer(Tokenizer.bundled())
    forms = token_forms(renderer.tokenizer, FULL_VOCAB_SIZE)
    run = load_run(options.run_dir / "checkpoint.pt", config, forms, options.seed)
    export(run, config, options.output)
    console = Console()
    for question, trained, exported in comparison(run, options.output, renderer):
        console.print(f"{question}\n  trained:  {trained}\n  exported: {exported}", markup=False)


if __name__ == "__main__":
    main()
