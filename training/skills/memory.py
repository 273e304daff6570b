"""Remembering: the user says something about himself and asks for it later in the conversation."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from training.examples import Exchange, Exchanges, World
from training.skills.conversation import small_talk_en, small_talk_zh

_Value = Callable[[random.Random, World], str]


@dataclass(frozen=True)
class Fact:
    """Something known of the user, such as his city."""

    lang: str
    noun: str
    value: str

    @property
    def forms(self) -> str:
        """Which pools of phrasings tell it and ask for it: names have their own."""
        return f"name_{self.lang}" if self.noun in ("name", "名字") else self.lang


def remembering(rng: random.Random, world: World) -> Exchanges:
    """Told and recalled; between them sometimes small talk, or another fact not to be mixed up."""
    fact = _fact(rng, world, "zh" if rng.random() < 0.4 else "en")
    exchanges = [_told(rng, world, fact)]
    draw = rng.random()
    if draw < 0.2:
        exchanges += (small_talk_zh if fact.lang == "zh" else small_talk_en)(rng, world)[:1]
    elif draw < 0.45:
        other = _fact(rng, world, fact.lang)
        exchanges += [_told(rng, world, other)] if other.noun != fact.noun else []
    return [*exchanges, _recalled(rng, world, fact)]


def _fact(rng: random.Random, world: World, lang: str) -> Fact:
    noun, value = ("name", _name) if rng.random() < 0.25 else rng.choice(_NOUNS)
    if lang == "zh":
        noun, value = ("名字", _name) if rng.random() < 0.25 else rng.choice(_NOUNS_ZH)
    return Fact(lang, noun, value(rng, world) if lang == "en" else _CHINESE[value](rng, world))


def _told(rng: random.Random, world: World, fact: Fact) -> Exchange:
    said = world.pick(rng, world.facts[f"tell_{fact.forms}"]).format(v=fact.value, noun=fact.noun)
    return Exchange(_typed(rng, said), *_filled(_TOLD[fact.forms], fact))


def _recalled(rng: random.Random, world: World, fact: Fact) -> Exchange:
    asked = world.pick(rng, world.facts[f"ask_{fact.forms}"]).format(noun=fact.noun)
    return Exchange(_typed(rng, asked), *_filled(_RECALLED[fact.lang], fact))


def _filled(texts: tuple[str, str], fact: Fact) -> tuple[str, str]:
    answer, thought = texts
    values = {"v": fact.value, "noun": fact.noun}
    return answer.format(**values), thought.format(**values)


def _typed(rng: random.Random, text: str) -> str:
    """Without its mark, but never in other letters: the value is to be copied."""
    return text.rstrip(".?!。？！") if rng.random() < 0.35 else text


def _name(rng: random.Random, world: World) -> str:
    return _known_or(rng, world, "names", world.words.name)


def _city(rng: random.Random, world: World) -> str:
    return _known_or(rng, world, "cities", world.words.name)


def _word(rng: random.Random, world: World) -> str:
    return world.words.english(rng)


def _code(rng: random.Random, world: World) -> str:
    return world.words.code(rng)


def _number(rng: random.Random, world: World) -> str:
    return str(world.pick(rng, _NUMBERS))


def _name_zh(rng: random.Random, world: World) -> str:
    return _known_or(rng, world, "names_zh", world.words.chinese)


def _city_zh(rng: random.Random, world: World) -> str:
    return _known_or(rng, world, "cities_zh", world.words.chinese)


def _word_zh(rng: random.Random, world: World) -> str:
    return world.words.chinese(rng)


def _known_or(
    rng: random.Random, world: World, pool: str, made_up: Callable[[random.Random], str]
) -> str:
    return str(world.pick(rng, world.facts[pool])) if rng.random() < 0.5 else made_up(rng)


_NUMBERS = tuple(range(1, 1000))
_CHINESE: dict[_Value, _Value] = {
    _name: _name_zh,
    _city: _city_zh,
    _word: _word_zh,
    _code: _code,
    _number: _number,
}
_NOUNS: tuple[tuple[str, _Value], ...] = (
    ("city", _city), ("home town", _city), ("dog", _name), ("cat's name", _name),
    ("favourite word", _word), ("favourite thing", _word), ("favourite animal", _word),
    ("favorite food", _word), ("favourite number", _number), ("number", _number),
    ("lucky number", _number), ("room number", _number), ("order number", _code),
    ("secret code", _code), ("password", _word), ("teacher", _name), ("best friend", _name),
    ("company", _name), ("project", _word), ("street", _name), ("job", _word), ("age", _number),
)  # fmt: skip
_NOUNS_ZH: tuple[tuple[str, _Value], ...] = (
    ("城市", _city), ("家乡", _city), ("狗的名字", _name), ("猫的名字", _name),
    ("最喜欢的词", _word),
    ("最喜欢的东西", _word), ("爱好", _word), ("号码", _number), ("幸运数字", _number),
    ("订单号", _code), ("密码", _word), ("暗号", _code), ("老师", _name), ("好朋友", _name),
    ("房间号", _number), ("公司", _word), ("项目", _word), ("工作", _word), ("年龄", _number),
)  # fmt: skip
_TOLD_EN = "The user says: the {noun} is {v}. I note it."
_TOLD_ZH = "用户说他的{noun}是{v}。我记住。"
_TOLD = {
    "name_en": ("Nice to meet you, {v}! How can I help you?", _TOLD_EN),
    "en": ("I will remember that your {noun} is {v}.", _TOLD_EN),
    "name_zh": ("很高兴认识你，{v}！", _TOLD_ZH),
    "zh": ("好的，我记住了，你的{noun}是{v}。", _TOLD_ZH),
}
_RECALLED = {
    "en": ("Your {noun} is {v}.", "The user said that the {noun} is {v}."),
    "zh": ("你的{noun}是{v}。", "用户说过他的{noun}是{v}。"),
}
