"""Train Whalefall-tiny: `python -m training.run --minutes 40`. Killed at any moment, the same
command goes on from the last checkpoint of its run folder."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from training.mixture import MIXES, Mixture
from training.recipe import FULL_VOCAB_SIZE, Phase, Recipe
from training.rendering import RenderedExample, Renderer
from training.sampling import sample_answers
from training.trainer import StepReport, Trainer
from training.vocabulary import SubVocabulary
from training.world import load_world
from whalefall.chat.tokenizer import Tokenizer

_CHECKPOINT_SECONDS = 120
_SAMPLE_SECONDS = 420


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    run_dir: Path = options.run_dir
    run_dir.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(seed=options.seed)
    recipe = replace(recipe, plan=replace(recipe.plan, seed=options.seed))
    renderer = Renderer(Tokenizer.bundled())
    mixture = Mixture(load_world(renderer.tokenizer, options.corpus), recipe.seed, options.mix)
    everything = replace(mixture, mix="all")

    def rendered(index: int) -> RenderedExample:
        return renderer.render(mixture.example(index))

    def rendered_of_everything(index: int) -> RenderedExample:
        return renderer.render(everything.example(index))

    known = _known_token_ids(run_dir, options.start_from)
    vocabulary = load_vocabulary(run_dir, recipe, rendered_of_everything, known)
    trainer = Trainer(recipe, phases_of(options), vocabulary, rendered, run_dir)
    checkpoint = run_dir / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
    elif options.start_from is not None:
        trainer.start_from(options.start_from)
    train(trainer, renderer, checkpoint)


def phases_of(options: argparse.Namespace) -> tuple[Phase, ...]:
    """The main phase gets most of the time; the MTP layer and the indexers learn after it."""
    names = options.phases.split(",")
    shares = {"main": 0.8, "mtp": 0.12, "indexer": 0.08}
    whole = sum(shares[name] for name in names)
    if options.steps is not None:
        return tuple(
            Phase(name, num_steps=max(1, round(options.steps * shares[name] / whole)))
            for name in names
        )
    return tuple(Phase(name, minutes=options.minutes * shares[name] / whole) for name in names)


def load_vocabulary(
    run_dir: Path,
    recipe: Recipe,
    rendered: Callable[[int], RenderedExample],
    known: tuple[int, ...],
) -> SubVocabulary:
    """The run's own, or a new one: known ids first, then those of the first examples."""
    file = run_dir / "vocabulary.json"
    if file.exists():
        return SubVocabulary(tuple(json.loads(file.read_text())), FULL_VOCAB_SIZE)
    counts: Counter[int] = Counter()
    for index in range(recipe.vocabulary_examples):
        counts.update(rendered(index).token_ids)
    often = [i for i, count in counts.items() if count >= recipe.vocabulary_count_min]
    vocabulary = SubVocabulary(known, FULL_VOCAB_SIZE).extended(often)
    file.write_text(json.dumps(vocabulary.token_ids))
    return vocabulary


def train(trainer: Trainer, renderer: Renderer, checkpoint: Path) -> None:
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
            if now - saved > _CHECKPOINT_SECONDS or is_phase_over:
                trainer.save(checkpoint)
                saved = now
            if now - sampled > _SAMPLE_SECONDS or is_phase_over:
                for line in sample_answers(trainer.model, trainer.vocabulary, renderer):
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


def _known_token_ids(run_dir: Path, start_from: Path | None) -> tuple[int, ...]:
    if start_from is None or (run_dir / "vocabulary.json").exists():
        return ()
    return tuple(torch.load(start_from, weights_only=True)["token_ids"])


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.run", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/whalefall-tiny"))
    parser.add_argument("--minutes", type=float, default=40.0, help="of all phases together")
    parser.add_argument("--steps", type=int, help="of all phases together, instead of --minutes")
    parser.add_argument("--phases", default="main,mtp,indexer")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--corpus", type=Path, help="folder of optional further text")
    parser.add_argument("--mix", choices=MIXES, default="all")
    parser.add_argument("--start-from", type=Path, help="checkpoint.pt of an earlier run")
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    main()
