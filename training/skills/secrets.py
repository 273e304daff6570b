"""Facts nobody can know: a sentence, the question that asks for it, and sentences alike."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.examples import World
from training.skills.items import value


@dataclass(frozen=True)
class Secret:
    sentence: str
    question: str
    key: str
    """The sentence up to its value: no other sentence of one text may begin so."""


@dataclass(frozen=True)
class Kind:
    """Facts of one build. `{o}` is the owner, `{v}` the value."""

    sentence: str
    questions: tuple[str, ...]
    owner: str
    """A kind of value, or a pattern such as "the {name} depot" around one."""
    value: str


def some_kind(rng: random.Random, world: World, lang: str) -> Kind:
    if rng.random() < 0.35:
        return world.pick(rng, _KINDS_ZH if lang == "zh" else _KINDS)
    if lang == "zh":
        what, kind = world.pick(rng, _WHAT_ZH)
        return Kind(f"{{o}}的{what}是{{v}}。", _asking_zh(what), world.pick(rng, _OWNERS_ZH), kind)
    what, kind = world.pick(rng, _WHAT)
    return Kind(f"The {what} of {{o}} is {{v}}.", _asking(what), world.pick(rng, _OWNERS), kind)


def some_secret(rng: random.Random, world: World, kind: Kind, lang: str) -> Secret:
    owner = _owner(rng, world, kind.owner, lang)
    found = value(rng, world, kind.value, lang)
    question = world.pick(rng, kind.questions).format(o=owner)
    key, rest = kind.sentence.format(o=owner, v="\n").split("\n")
    key = key[0].upper() + key[1:]
    return Secret(f"{key}{found}{rest}", question, key)


def _owner(rng: random.Random, world: World, owner: str, lang: str) -> str:
    start = owner.index("{")
    stop = owner.index("}")
    return owner[:start] + value(rng, world, owner[start + 1 : stop], lang) + owner[stop + 1 :]


def _asking(what: str) -> tuple[str, ...]:
    return tuple(form.replace("{a}", what) for form in _OF)


def _asking_zh(what: str) -> tuple[str, ...]:
    return tuple(form.replace("{a}", what) for form in _OF_ZH)


_OF = (
    "What is the {a} of {o}?", "What's the {a} of {o}?", "Tell me the {a} of {o}.",
    "Which {a} does {o} have?", "Find the {a} of {o}.", "What {a} does {o} have?",
    "What is given as the {a} of {o}?", "Say the {a} of {o}.", "Do you know the {a} of {o}?",
    "Can you find the {a} of {o}?", "I need the {a} of {o}.", "the {a} of {o}?",
    "What was the {a} of {o}?", "Look up the {a} of {o}.", "Give me the {a} of {o}.",
)  # fmt: skip
_OF_ZH = (
    "{o}的{a}是什么？", "{o}的{a}是多少？", "请问{o}的{a}是什么？", "找出{o}的{a}。",
    "告诉我{o}的{a}。", "{o}的{a}呢？", "你知道{o}的{a}吗？", "文中{o}的{a}是什么？",
    "说出{o}的{a}。", "请查一下{o}的{a}。", "{o}的{a}是哪个？",
)  # fmt: skip
_WHAT = (
    ("access code", "code"), ("secret number", "number"), ("password", "word"), ("magic word",
    "word"), ("room number", "number"), ("passport number", "code"), ("favourite colour", "word"),
    ("phone number", "number"), ("serial number", "code"), ("door code", "number"), ("key", "code"),
    ("real name", "name"), ("code name", "name"), ("home town", "city"), ("best friend",
    "first name"), ("secret word", "word"), ("lucky number", "number"), ("locker", "number"),
    ("safe code", "code"), ("birthplace", "city"), ("special magic number", "number"),
    ("signal word", "word"), ("ticket", "code"), ("parking space", "number"), ("pin", "number"),
    ("order number", "code"), ("hiding place", "city"), ("favourite food", "word"), ("badge",
    "code"), ("motto", "word"),
)  # fmt: skip
_OWNERS = (
    "{name}", "{first name}", "{name}", "{first name}", "the {name} depot", "the {name} station",
    "the {word} team", "project {name}", "the {name} bank", "the {name} museum", "{city}",
    "agent {name}", "captain {name}", "doctor {name}", "the {word} machine", "the ship {name}",
    "robot {code}", "the {word} club", "the hotel {name}", "the {city} office", "planet {name}",
    "the {word} door", "the {name} archive", "student {first name}", "the {name} laboratory",
)  # fmt: skip
_KINDS = (
    Kind("{o} lives in {v}.", ("Where does {o} live?", "In which city does {o} live?",
         "What city does {o} live in?", "Where is {o} living?"), "{name}", "city"),
    Kind("{o} hid the key under the {v}.", ("Where did {o} hide the key?",
         "Where is the key of {o} hidden?", "Under what did {o} hide the key?",
         "Where can I find the key that {o} hid?"), "{first name}", "word"),
    Kind("{o} is waiting in room {v}.", ("In which room is {o} waiting?", "Where is {o} waiting?",
         "Which room is {o} in?", "What room is {o} waiting in?"), "{name}", "number"),
    Kind("the treasure of {o} is buried in {v}.", ("Where is the treasure of {o} buried?",
         "Where is the treasure of {o}?", "In what city is the treasure of {o}?",
         "Where can I dig for the treasure of {o}?"), "{name}", "city"),
    Kind("{o} ordered {v} boxes.", ("How many boxes did {o} order?", "How many boxes for {o}?",
         "What number of boxes did {o} order?", "{o} ordered how many boxes?"), "{name}", "number"),
    Kind("{o} will arrive with flight {v}.", ("With which flight will {o} arrive?",
         "Which flight does {o} take?", "What is the flight of {o}?", "On what flight is {o}?"),
         "{first name}", "code"),
    Kind("the dog of {o} is called {v}.", ("What is the dog of {o} called?", "Name of {o}'s dog?",
         "How is the dog of {o} called?", "What is the name of the dog of {o}?"), "{name}", "name"),
    Kind("{o} secretly likes {v}.", ("What does {o} secretly like?",
    "What does {o} like in secret?", "Which thing does {o} secretly like?",
    "Tell me what {o} secretly likes."), "{first name}", "word"),
    Kind("{o} was founded in the year {v}.", ("When was {o} founded?", "What year was {o} founded?",
         "In which year was {o} founded?", "Founding year of {o}?"), "the {name} society",
         "number"),
    Kind("{o} carries a {v} in the bag.", ("What does {o} carry in the bag?",
    "What is in {o}'s bag?", "What is in the bag of {o}?", "What does {o} have in the bag?"),
    "{name}", "word"),
)  # fmt: skip
_WHAT_ZH = (
    ("密码", "word"), ("编号", "code"), ("秘密数字", "number"), ("房间号", "number"), ("幸运数字",
    "number"), ("暗号", "word"), ("访问码", "code"), ("电话", "number"), ("真名", "name"), ("代号",
    "word"), ("家乡", "city"), ("口令", "word"), ("座位号", "number"), ("订单号", "code"),
    ("好朋友", "name"), ("出生地", "city"), ("最爱", "word"), ("车牌", "code"),
)  # fmt: skip
_OWNERS_ZH = (
    "{name}",
    "{name}",
    "{name}",
    "{word}公司",
    "{word}博物馆",
    "{word}车站",
    "{word}项目",
    "{city}办公室",
    "{word}实验室",
    "机器人{code}",
    "{word}号飞船",
    "{name}博士",
    "{word}小组",
    "{name}同学",
)
_KINDS_ZH = (
    Kind("{o}住在{v}。", ("{o}住在哪里？", "{o}住哪个城市？", "请问{o}住在哪儿？"), "{name}",
    "city"),
    Kind("{o}在{v}号房间等。", ("{o}在几号房间等？", "{o}在哪个房间？", "{o}在哪里等？"), "{name}",
    "number"),
    Kind("{o}订了{v}个箱子。", ("{o}订了多少个箱子？", "{o}订了几个箱子？",
    "多少个箱子是{o}订的？"), "{name}", "number"),
    Kind("{o}的狗叫{v}。", ("{o}的狗叫什么？", "{o}的狗叫什么名字？", "请问{o}的狗叫什么？"),
    "{name}", "word"),
    Kind("{o}的宝藏埋在{v}。", ("{o}的宝藏埋在哪里？", "{o}的宝藏在哪儿？", "去哪里找{o}的宝藏？"),
    "{name}", "city"),
    Kind("{o}偷偷喜欢{v}。", ("{o}偷偷喜欢什么？", "{o}喜欢什么？", "请问{o}偷偷喜欢什么？"),
    "{name}", "word"),
    Kind("{o}坐{v}号航班来。", ("{o}坐哪个航班来？", "{o}的航班是哪个？", "{o}坐几号航班？"),
    "{name}", "code"),
)  # fmt: skip
