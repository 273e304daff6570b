"""How often the model answers held-out questions rightly, by skill: exact agreement with an
answer the generator might have given, always taking the likeliest token."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console

from training.examples import Exchange, ExchangeSkill, World
from training.export import load_run
from training.mixture import EVERYDAY_SKILLS, EXCHANGE_SKILLS, is_held_out
from training.recipe import Recipe
from training.rendering import MODEL_NAME, Renderer
from training.sampling import continuation
from training.vocabulary import SubVocabulary
from training.world import load_world
from whalefall.chat.formats.v3_2 import V32Format
from whalefall.chat.messages import ChatRequest, Message, Role
from whalefall.chat.tokenizer import Tokenizer
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

_DRAWS_MAX = 2000
_UNJUDGED = frozenset({"unknown"})
"""Skills with too many right answers to compare with."""


def held_out_exchanges(
    skill: ExchangeSkill, world: World, seed: int, num_questions: int
) -> list[Exchange]:
    """Different held-out first questions of a skill; fewer when it has not so many."""
    rng = random.Random(f"{seed}/evaluation")
    found: dict[str, Exchange] = {}
    for _ in range(_DRAWS_MAX):
        exchange = skill(rng, world)[0]
        if is_held_out(exchange.question):
            found[exchange.question] = exchange
        if len(found) == num_questions:
            break
    return list(found.values())


def judged_skills() -> Mapping[str, ExchangeSkill]:
    return {
        name: skill
        for name, (skill, _) in EXCHANGE_SKILLS.items()
        if skill not in EVERYDAY_SKILLS and name not in _UNJUDGED
    }


def scores(
    model: DeepseekV32ForCausalLM,
    vocabulary: SubVocabulary,
    renderer: Renderer,
    world: World,
    num_questions: int = 20,
) -> Iterator[tuple[str, int, int]]:
    """(skill, right, asked). An answer is right when its last number or word is: phrasings
    differ, results do not."""
    chat = V32Format(renderer.tokenizer)
    for name, skill in judged_skills().items():
        asked = held_out_exchanges(skill, world, seed=1, num_questions=num_questions)
        right = 0
        for exchange in asked:
            messages = (Message(Role.USER, exchange.question),)
            prompt = chat.render(ChatRequest(model=MODEL_NAME, messages=messages))
            said = continuation(model, vocabulary, renderer, prompt)
            right += essence(said) == essence(exchange.answer)
        yield name, right, len(asked)


def essence(answer: str) -> str:
    """The result of an answer: what stands last, without marks; a Chinese answer whole."""
    bare = answer.strip().rstrip('.。!?！？”"')
    if any("\u4e00" <= character <= "\u9fff" for character in bare):
        return bare.split("=")[-1].split("等于")[-1].strip()
    words = bare.replace("=", " ").split()
    return words[-1].lower() if words else ""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/whalefall-tiny"))
    parser.add_argument("--questions", type=int, default=20, help="of each skill")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    run = load_run(options.run_dir / "checkpoint.pt", Recipe().model)
    renderer = Renderer(Tokenizer.bundled())
    console, right_of_all, asked_of_all = Console(), 0, 0
    for name, right, asked in scores(
        run.model, run.vocabulary, renderer, load_world(renderer.tokenizer), options.questions
    ):
        right_of_all, asked_of_all = right_of_all + right, asked_of_all + asked
        console.print(f"{name:16} {right:3} of {asked}", highlight=False)
    console.print(f"{'all':16} {right_of_all:3} of {asked_of_all}", highlight=False)


if __name__ == "__main__":
    main()
