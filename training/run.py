"""Train Whalefall-tiny: `python -m training.run --minutes 40`. Killed at any moment, the same
command goes on from the last checkpoint of its run folder."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, track

from training.compiled import compile_small_parts
from training.imported import state_of_export
from training.mixture import MIXES, Mixture
from training.recipe import FULL_VOCAB_SIZE, PHASES, Phase, Recipe
from training.rendering import RenderedExample, Renderer
from training.sampling import TrainedRun, sample_answers
from training.token_forms import TokenForms, token_forms
from training.trainer import Compute, StepReport, Trainer
from training.vocabulary import SubVocabulary
from training.world import load_world
from whalefall.chat.tokenizer import Tokenizer

_SAMPLE_SECONDS = 420


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    run_dir: Path = options.run_dir
    run_dir.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(seed=options.seed)
    renderer = Renderer(Tokenizer.bundled())
    world = load_world(renderer.tokenizer, options.corpus)
    examples_seed = recipe.seed if options.examples_seed is None else options.examples_seed
    mixtures = {mix: Mixture(world, examples_seed, mix) for mix in MIXES}

    def rendered(mix: str, index: int) -> RenderedExample:
        return renderer.render(mixtures[mix].example(index))

    forms = token_forms(renderer.tokenizer, FULL_VOCAB_SIZE)
    checkpoint = run_dir / "checkpoint.pt"
    is_resumed = checkpoint.exists()
    earlier = None if is_resumed else _earlier_state(options.start_from, forms, recipe.seed)
    known = tuple(earlier["token_ids"]) if earlier else ()
    vocabulary = load_vocabulary(run_dir, recipe, partial(rendered, "all"), known)
    compute = Compute(options.device, options.bfloat16, options.workers)
    trainer = Trainer(recipe, phases_of(options), vocabulary, forms, rendered, run_dir, compute)
    if is_resumed:
        trainer.load(checkpoint)
    elif earlier is not None:
        trainer.start_from(earlier)
    train(
        trainer,
        renderer,
        checkpoint,
        checkpoint_seconds=options.checkpoint_seconds,
        is_compiled=not options.as_written,
    )


def phases_of(options: argparse.Namespace) -> tuple[Phase, ...]:
    """The recipe's phases, or those asked for, with their shares of the minutes or steps."""
    wanted = options.phases.split(",") if options.phases else [phase.name for phase, _ in PHASES]
    chosen = [(phase, share) for phase, share in PHASES if phase.name in wanted]
    whole = sum(share for _, share in chosen)
    if options.steps is not None:
        return tuple(
            replace(phase, num_steps=max(1, round(options.steps * share / whole)))
            for phase, share in chosen
        )
    return tuple(replace(phase, minutes=options.minutes * share / whole) for phase, share in chosen)


def load_vocabulary(
    run_dir: Path,
    recipe: Recipe,
    rendered: Callable[[int], RenderedExample],
    known: tuple[int, ...],
) -> SubVocabulary:
    """The run's own, or a new one: known ids first, then those that many examples hold."""
    file = run_dir / "vocabulary.json"
    if file.exists():
        return SubVocabulary(tuple(json.loads(file.read_text())), FULL_VOCAB_SIZE)
    seen: Counter[int] = Counter()
    said: Counter[int] = Counter()
    for index in track(range(recipe.vocabulary_examples), "looking for frequent tokens"):
        example = rendered(index)
        seen.update(set(example.token_ids))
        said.update(_said_by_heart(example))
    own = {i for i, count in seen.items() if count >= recipe.vocabulary_count_min}
    own |= {i for i, count in said.items() if count >= recipe.vocabulary_said_min}
    vocabulary = SubVocabulary(known, FULL_VOCAB_SIZE).extended(own)
    file.write_text(json.dumps(vocabulary.token_ids))
    return vocabulary


def _said_by_heart(example: RenderedExample) -> set[int]:
    """What an answer says that was not there before: it cannot be copied, so it must be known."""
    known: set[int] = set()
    said: set[int] = set()
    for token_id, is_target in zip(example.token_ids, example.is_target, strict=True):
        if is_target and token_id not in known:
            said.add(token_id)
        known.add(token_id)
    return said


def train(
    trainer: Trainer,
    renderer: Renderer,
    checkpoint: Path,
    *,
    checkpoint_seconds: float,
    is_compiled: bool,
) -> None:
    if is_compiled and not compile_small_parts(trainer.model):
        print("no C++ compiler (g++) is here: training without fused operations, more slowly")
    run = TrainedRun(trainer.model, trainer.vocabulary, trainer.rare_rows)
    saved = sampled = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, speed_estimate_period=60) as bar:
        task = bar.add_task("starting", total=1.0)
        while not trainer.is_finished:
            phase_index = trainer.progress.phase_index
            report = trainer.step()
            if trainer.progress.total_steps % 5 == 0:
                bar.update(task, description=_line(report), completed=_share(trainer))
            if trainer.progress.total_steps % 20 == 0:
                bar.console.log(_line(report))
            now = time.monotonic()
            is_phase_over = trainer.progress.phase_index != phase_index
            if now - saved > checkpoint_seconds or is_phase_over:
                trainer.save(checkpoint)
                saved = now
            if now - sampled > _SAMPLE_SECONDS or is_phase_over:
                for line in sample_answers(run, renderer):
                    bar.console.print(line, markup=False, highlight=False)
                sampled = time.monotonic()
    trainer.save(checkpoint)


def _share(trainer: Trainer) -> float:
    """How much of the present phase is done, by its minutes or its steps."""
    if trainer.is_finished:
        return 1.0
    phase, progress = trainer.phase, trainer.progress
    if phase.num_steps is not None:
        return progress.step / phase.num_steps
    assert phase.minutes is not None
    return min(1.0, progress.seconds / (phase.minutes * 60))


def _line(report: StepReport) -> str:
    progress = report.progress
    return (
        f"{report.phase} step {progress.total_steps} loss {report.loss:.3f} "
        f"lr x{report.scale:.2f} {report.tokens_per_second:.0f} tokens/s "
        f"{progress.total_tokens / 1e6:.2f}M tokens {progress.total_seconds / 60:.1f} min"
    )


def _earlier_state(start_from: Path | None, forms: TokenForms, seed: int) -> dict[str, Any] | None:
    """A checkpoint's state, or that of exported weights."""
    if start_from is None:
        return None
    if start_from.is_dir():
        return state_of_export(start_from, forms, seed)
    return dict(torch.load(start_from, weights_only=True))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.run", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/whalefall-tiny"))
    parser.add_argument("--minutes", type=float, default=40.0, help="of all phases together")
    parser.add_argument("--steps", type=int, help="of all phases together, instead of --minutes")
    parser.add_argument("--phases", help="some of the recipe's, by name, with commas")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--examples-seed", type=int, help="of the data, if it is another one")
    parser.add_argument("--corpus", type=Path, help="folder of optional further text")
    parser.add_argument("--start-from", type=Path, help="an earlier checkpoint.pt, or an export")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for one GPU")
    parser.add_argument("--bfloat16", action="store_true", help="matrix products in bf16")
    parser.add_argument("--workers", type=int, default=2, help="threads on a CPU")
    parser.add_argument(
        "--checkpoint-seconds", type=float, default=120.0, help="what a kill loses at most"
    )
    parser.add_argument("--as-written", action="store_true", help="without torch's compiler")
    return parser


if __name__ == "__main__":
    main()
