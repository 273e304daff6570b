"""Remembering: the user says something about himself and asks for it later in the conversation."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from training.examples import Exchange, Exchanges, World
from training.skills.conversation import small_talk_en, small_talk_zh


@dataclass(frozen=True)
class Memory:
    """One kind of thing to remember. `{v}` is the value; `noun` names it in the answers."""

    noun: str
    tell: tuple[str, ...]
    ask: tuple[str, ...]
    value: Callable[[random.Random, World], str]
    noted: str = "I will remember that your {noun} is {v}."


def remembering(rng: random.Random, world: World) -> Exchanges:
    is_chinese = rng.random() < 0.4
    memories = _MEMORIES_ZH if is_chinese else _MEMORIES
    known = rng.choice(memories)
    other = rng.choice([memory for memory in memories if memory.noun != known.noun])
    first, value = _told(rng, world, known, is_chinese)
    told = [first]
    draw = rng.random()
    if draw < 0.2:
        told += (small_talk_zh if is_chinese else small_talk_en)(rng, world)[:1]
    elif draw < 0.45:
        told.append(_told(rng, world, other, is_chinese)[0])
    return [*told, _recalled(rng, world, known, value, is_chinese)]


def _told(
    rng: random.Random, world: World, memory: Memory, is_chinese: bool
) -> tuple[Exchange, str]:
    value = memory.value(rng, world)
    said = world.pick(rng, memory.tell).format(v=value, noun=memory.noun)
    answer = memory.noted.format(v=value, noun=memory.noun)
    thought = (
        f"用户说他的{memory.noun}是{value}。我记住。" if is_chinese
        else f"The user says: the {memory.noun} is {value}. I note it."
    )  # fmt: skip
    return Exchange(_typed(rng, said), answer, thought), value


def _recalled(
    rng: random.Random, world: World, memory: Memory, value: str, is_chinese: bool
) -> Exchange:
    question = _typed(rng, world.pick(rng, memory.ask).format(noun=memory.noun))
    if is_chinese:
        thought = f"用户说过他的{memory.noun}是{value}。"
        return Exchange(question, f"你的{memory.noun}是{value}。", thought)
    thought = f"The user said that the {memory.noun} is {value}."
    return Exchange(question, f"Your {memory.noun} is {value}.", thought)


def _typed(rng: random.Random, text: str) -> str:
    """Without its mark, but never in other letters: the value is to be copied."""
    return text.rstrip(".?!。？！") if rng.random() < 0.35 else text


def _name(rng: random.Random, world: World) -> str:
    return _either(rng, world, "names", world.words.name)


def _city(rng: random.Random, world: World) -> str:
    return _either(rng, world, "cities", world.words.name)


def _word(rng: random.Random, world: World) -> str:
    return world.words.english(rng)


def _code(rng: random.Random, world: World) -> str:
    return world.words.code(rng)


def _number(rng: random.Random, world: World) -> str:
    return str(world.pick(rng, _NUMBERS))


def _name_zh(rng: random.Random, world: World) -> str:
    return _either(rng, world, "names_zh", world.words.chinese)


def _city_zh(rng: random.Random, world: World) -> str:
    return _either(rng, world, "cities_zh", world.words.chinese)


def _word_zh(rng: random.Random, world: World) -> str:
    return world.words.chinese(rng)


def _either(
    rng: random.Random, world: World, pool: str, made_up: Callable[[random.Random], str]
) -> str:
    return world.pick(rng, world.facts[pool]) if rng.random() < 0.5 else made_up(rng)


_NUMBERS = tuple(range(1, 1000))
_NAME = Memory(
    "name",
    (
        "My name is {v}.", "I am {v}.", "I'm {v}", "Hi, I'm {v}!", "Call me {v}.", "Hello, my name is {v}.",
        "You can call me {v}.", "I am called {v}.", "My friends call me {v}.", "This is {v}.",
        "Hello! I am {v}, nice to meet you.", "Please call me {v}.", "my name's {v}", "People call me {v}.",
        "Hey, it's {v}.", "Remember that my name is {v}.", "{v} is my name.", "The name is {v}.",
    ),
    (
        "What is my name?", "Do you know my name?", "Who am I?", "What's my name?", "Do you remember my name?",
        "Can you tell me my name?", "Tell me my name.", "What am I called?", "How am I called?", "Say my name.",
        "Do you still know my name?", "What did I say my name was?", "And what is my name?", "my name?",
        "Which name did I tell you?", "So who am I?",
    ),
    _name,
    "Nice to meet you, {v}! How can I help you?",
)  # fmt: skip
_NAME_ZH = Memory(
    "名字",
    (
        "我叫{v}。", "我是{v}", "我的名字是{v}。", "你好，我叫{v}", "你可以叫我{v}。", "大家叫我{v}。", "请叫我{v}",
        "我的名字叫{v}。", "嗨，我是{v}。", "记住，我叫{v}。", "我姓名是{v}", "你好，我是{v}，很高兴认识你。",
        "叫我{v}就好。", "朋友们叫我{v}。", "本人{v}。", "我就是{v}。",
    ),
    (
        "我叫什么名字？", "你知道我是谁吗？", "我叫什么", "我的名字是什么？", "你记得我的名字吗？", "说出我的名字。",
        "我是谁？", "还记得我叫什么吗？", "告诉我我的名字", "我刚才说我叫什么？", "你知道我叫什么吗？", "那我叫什么？",
        "你还知道我的名字吗？", "我的名字呢？", "请说我的名字", "我刚才说的名字是什么？",
    ),
    _name_zh,
    "很高兴认识你，{v}！",
)  # fmt: skip
_TELL = (
    "My {noun} is {v}.", "Remember: my {noun} is {v}.", "Please remember that my {noun} is {v}.",
    "{v} is my {noun}.", "Note that my {noun} is {v}.", "I tell you that my {noun} is {v}.",
    "By the way, my {noun} is {v}.", "my {noun} is {v}", "You should know that my {noun} is {v}.",
    "Keep in mind: my {noun} is {v}.", "For your information, my {noun} is {v}.", "So, my {noun} is {v}.",
    "Don't forget, my {noun} is {v}.", "My {noun}? It is {v}.", "The {noun} I have is {v}.",
    "Just so you know, my {noun} is {v}.",
)  # fmt: skip
_ASK = (
    "What is my {noun}?", "Do you know my {noun}?", "What's my {noun}?", "Do you remember my {noun}?",
    "Tell me my {noun}.", "Can you tell me my {noun}?", "And what is my {noun}?", "What was my {noun}?",
    "Which {noun} did I tell you?", "my {noun}?", "Do you still know my {noun}?", "Say my {noun}.",
    "What did I say my {noun} was?", "Please tell me my {noun} again.", "Remind me of my {noun}.",
    "I forgot my {noun}, what is it?",
)  # fmt: skip
_TELL_ZH = (
    "我的{noun}是{v}。", "记住：我的{noun}是{v}。", "请记住我的{noun}是{v}。", "{v}是我的{noun}。",
    "顺便说一下，我的{noun}是{v}。", "告诉你，我的{noun}是{v}。", "我的{noun}是{v}，别忘了。", "你要知道我的{noun}是{v}。",
    "我说一下，我的{noun}是{v}。", "对了，我的{noun}是{v}。", "我想告诉你，我的{noun}是{v}。", "注意，我的{noun}是{v}。",
    "我的{noun}？是{v}。", "请记下，我的{noun}是{v}。", "帮我记一下，我的{noun}是{v}。", "别忘了，我的{noun}是{v}。",
)  # fmt: skip
_ASK_ZH = (
    "我的{noun}是什么？", "你知道我的{noun}吗？", "你记得我的{noun}吗？", "告诉我我的{noun}。", "我的{noun}呢？",
    "那我的{noun}是什么？", "我刚才说的{noun}是什么？", "还记得我的{noun}吗？", "我忘了我的{noun}，是什么？",
    "请说出我的{noun}。", "再说一次我的{noun}。", "我的{noun}叫什么？", "你还知道我的{noun}吗？", "提醒我一下我的{noun}。",
    "我告诉过你我的{noun}，是什么？", "我说过的{noun}是什么？",
)  # fmt: skip
_NOTED_ZH = "好的，我记住了，你的{noun}是{v}。"
_MEMORIES = (
    _NAME, _NAME, _NAME,
    *(
        Memory(noun, _TELL, _ASK, value)
        for noun, value in (
            ("city", _city), ("home town", _city), ("dog", _name), ("cat's name", _name),
            ("favourite word", _word), ("favourite thing", _word), ("favourite animal", _word),
            ("number", _number), ("lucky number", _number), ("order number", _code), ("password", _word),
            ("secret code", _code), ("teacher", _name), ("best friend", _name), ("room number", _number),
            ("favourite number", _number), ("company", _name), ("project", _word), ("street", _name),
        )
    ),
)  # fmt: skip
_MEMORIES_ZH = (
    _NAME_ZH, _NAME_ZH, _NAME_ZH,
    *(
        Memory(noun, _TELL_ZH, _ASK_ZH, value, _NOTED_ZH)
        for noun, value in (
            ("城市", _city_zh), ("家乡", _city_zh), ("狗的名字", _name_zh), ("猫的名字", _name_zh),
            ("最喜欢的词", _word_zh), ("最喜欢的东西", _word_zh), ("爱好", _word_zh), ("号码", _number),
            ("幸运数字", _number), ("订单号", _code), ("密码", _word_zh), ("暗号", _code), ("老师", _name_zh),
            ("好朋友", _name_zh), ("房间号", _number), ("公司", _word_zh), ("项目", _word_zh),
        )
    ),
)  # fmt: skip
