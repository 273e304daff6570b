"""Examples become the tokens that are served, and exactly the model's own tokens are learnt."""

from __future__ import annotations

import random

from training.examples import Dialogue, Passage, World
from training.mixture import Mixture
from training.rendering import Renderer, request_from_dialogue
from training.skills import tools
from whalefall.chat.formats.v3_2 import V32Format
from whalefall.chat.messages import Message, Role
from whalefall.chat.tokenizer import Tokenizer


def _dialogue(is_thinking: bool) -> Dialogue:
    return Dialogue(
        (
            Message(Role.SYSTEM, "Be kind."),
            Message(Role.USER, "Hi"),
            Message(Role.ASSISTANT, "Hello!", reasoning_content="A greeting."),
            Message(Role.USER, "Bye"),
            Message(Role.ASSISTANT, "Goodbye!", reasoning_content="A farewell."),
        ),
        is_thinking,
    )


def _learnt(renderer: Renderer, example: Dialogue | Passage) -> str:
    rendered = renderer.render(example)
    pairs = zip(rendered.token_ids, rendered.is_target, strict=True)
    return renderer.tokenizer.decode([i for i, is_target in pairs if is_target])


def test_answers_and_their_ends_are_learnt(renderer: Renderer) -> None:
    end = "<｜end▁of▁sentence｜>"
    assert _learnt(renderer, _dialogue(False)) == f"Hello!{end}Goodbye!{end}"


def test_thoughts_of_the_last_turn_are_learnt(renderer: Renderer) -> None:
    end = "<｜end▁of▁sentence｜>"
    learnt = _learnt(renderer, _dialogue(True))
    assert learnt == f"Hello!{end}A farewell.</think>Goodbye!{end}"


def test_prompt_is_the_one_that_is_served(renderer: Renderer) -> None:
    for is_thinking in (False, True):
        dialogue = _dialogue(is_thinking)
        ids = renderer.render(dialogue).token_ids
        asked = Dialogue(dialogue.messages[:-1], is_thinking)
        prompt = V32Format(renderer.tokenizer).render(request_from_dialogue(asked))
        assert list(ids[: len(prompt)]) == prompt


def test_every_rendered_example_ends_with_end_of_sentence(renderer: Renderer, world: World) -> None:
    mixture = Mixture(world, 1)
    for index in range(100):
        rendered = renderer.render(mixture.example(index))
        assert len(rendered.token_ids) == len(rendered.is_target)
        assert rendered.token_ids[0] == 0
        assert rendered.token_ids[-1] == 1
        assert rendered.is_target[-1]


def test_tool_results_are_not_learnt(renderer: Renderer, world: World) -> None:
    for seed in range(40):
        example = tools.tool_use(random.Random(seed), world)
        assert isinstance(example, Dialogue)
        learnt = _learnt(renderer, example)
        assert "<function_results>" not in learnt
        assert learnt.count("<｜end▁of▁sentence｜>") == sum(
            m.role is Role.ASSISTANT for m in example.messages
        )


def test_passage_is_rendered_as_completion_is_served(
    renderer: Renderer, tokenizer: Tokenizer
) -> None:
    whole = renderer.render(Passage("Once upon a time, ", "a king."))
    assert sum(not t for t in whole.is_target) == 7
    hole = renderer.render(Passage("a = ", "1", "\nprint(a)"))
    text = tokenizer.decode(hole.token_ids)
    assert text == (
        "<｜begin▁of▁sentence｜><｜fim▁begin｜>a = <｜fim▁hole｜>\nprint(a)<｜fim▁end｜>1"
        "<｜end▁of▁sentence｜>"
    )
