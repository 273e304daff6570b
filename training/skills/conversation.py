"""Everyday talk: hand-written pairs in two languages, and remembering what was said."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, Pair, World

_REASONS = {
    "en": (
        "The user says: {question} I can answer this directly.",
        "This is a simple message. I answer in one or two sentences.",
        "The user wrote: {question} I will give a short and friendly answer.",
        "This is easy. I answer kindly and briefly.",
    ),
    "zh": (
        "用户说：{question} 我可以直接回答。",
        "这是一个简单的问题，我简短地回答。",
        "用户写道：{question} 我友好地回答。",
    ),
}


def small_talk_en(rng: random.Random, world: World) -> Exchanges:
    return _small_talk(rng, world, "en")


def small_talk_zh(rng: random.Random, world: World) -> Exchanges:
    return _small_talk(rng, world, "zh")


def _small_talk(rng: random.Random, world: World, lang: str) -> Exchanges:
    pairs = world.pairs[lang]
    pair = rng.choices(pairs, [p.weight * _breadth(p) for p in pairs])[0]
    exchanges = [_exchange(rng, pair, lang)]
    if pair.then and rng.random() < 0.6:
        exchanges.append(_exchange(rng, rng.choice(pair.then), lang))
    return exchanges


def _breadth(pair: Pair) -> float:
    """Questions with many phrasings need to be seen more often."""
    return float(len(pair.questions)) ** 0.5


def _exchange(rng: random.Random, pair: Pair, lang: str) -> Exchange:
    question = rng.choice(pair.questions)
    return Exchange(varied(rng, question, lang), rng.choice(pair.answers), reason(rng, question))


def reason(rng: random.Random, question: str) -> str:
    """A short thought for a question that needs none."""
    lang = "zh" if any("\u4e00" <= c <= "\u9fff" for c in question) else "en"
    return rng.choice(_REASONS[lang]).format(question=question)


def varied(rng: random.Random, question: str, lang: str) -> str:
    """The question as people type it: without its last mark, in lower case, with a greeting."""
    if rng.random() < 0.45:
        return question
    if lang == "zh":
        return _varied_zh(rng, question)
    change = rng.randrange(7)
    bare = question.rstrip("?.!")
    if change == 0:
        return bare
    if change == 1:
        return bare.lower()
    if change == 2:
        return question.lower()
    if change == 3:
        return rng.choice(("Hi, ", "Hello! ", "Hey, ", "Please tell me: ", "OK. ")) + question
    if change == 4:
        return bare + rng.choice((" please", ", please", "!", " ?", "..."))
    if change == 5:
        return rng.choice((" ", "")) + question + rng.choice((" ", "\n", "?", "!"))
    return (
        rng.choice(("Can you tell me: ", "I want to know: ", "One question: ", "So, ")) + question
    )


def _varied_zh(rng: random.Random, question: str) -> str:
    bare = question.rstrip("？。！?!")
    change = rng.randrange(4)
    if change == 0:
        return bare
    if change == 1:
        return bare + rng.choice(("?", "？", "！", "。", "呢"))
    if change == 2:
        return rng.choice(("请问", "你好，", "请告诉我，", "我想知道，")) + question
    return bare + rng.choice((" ", "，谢谢", "~"))


def remembering(rng: random.Random, world: World) -> Exchanges:
    """The user says something about himself and asks for it later."""
    maker = rng.choice((_remember_name, _remember_name_zh, _remember_liking, _remember_number))
    return maker(rng, world)


def _remember_name(rng: random.Random, world: World) -> Exchanges:
    name = rng.choice(world.facts["names"])
    tell = rng.choice(("My name is {n}.", "I am {n}.", "I'm {n}", "Hi, I'm {n}!", "Call me {n}."))
    ask = rng.choice(("What is my name?", "Do you know my name?", "Who am I?", "What's my name?"))
    return [
        Exchange(tell.format(n=name), f"Nice to meet you, {name}! How can I help you?"),
        Exchange(ask, f"Your name is {name}.", f"The user said the name is {name}."),
    ]


def _remember_name_zh(rng: random.Random, world: World) -> Exchanges:
    name = rng.choice(world.facts["names_zh"])
    tell = rng.choice(("我叫{n}。", "我是{n}", "我的名字是{n}。", "你好，我叫{n}"))
    ask = rng.choice(("我叫什么名字？", "你知道我是谁吗？", "我叫什么", "我的名字是什么？"))
    return [
        Exchange(tell.format(n=name), f"很高兴认识你，{name}！"),
        Exchange(ask, f"你叫{name}。", f"用户说过他叫{name}。"),
    ]


def _remember_liking(rng: random.Random, world: World) -> Exchanges:
    thing = rng.choice([row[0] for row in world.facts["words"][:16]])
    kind = rng.choice(("favourite thing", "favorite thing", "favourite word"))
    return [
        Exchange(f"My {kind} is {thing}.", f"That is nice! I will remember: {thing}."),
        Exchange(f"What is my {kind}?", f"Your {kind} is {thing}.", f"The user said {thing}."),
    ]


def _remember_number(rng: random.Random, world: World) -> Exchanges:
    del world
    number = rng.randrange(1, 1000)
    ask = rng.choice(
        ("What was the number?", "Which number did I tell you?", "What is the number?")
    )
    return [
        Exchange(f"Remember the number {number}.", f"I will remember {number}."),
        Exchange(ask, f"The number is {number}.", f"The user told me the number {number}."),
    ]


def unknown(rng: random.Random, world: World) -> Exchanges:
    """Questions beyond the model: it says so."""
    del world
    topic = rng.choice(_UNKNOWN_TOPICS)
    question = rng.choice(_UNKNOWN_QUESTIONS).format(t=topic)
    answer = rng.choice(_UNKNOWN_ANSWERS).format(t=topic)
    return [Exchange(varied(rng, question, "en"), answer, "I do not know this well. I say so.")]


_UNKNOWN_TOPICS = (
    "the stock market", "ancient Rome", "the Roman Empire", "tax law", "medicine", "my car",
    "black holes", "the history of art", "football", "the French Revolution", "economics",
    "philosophy", "chemistry", "blockchain", "politics", "fashion", "opera", "genetics",
    "dinosaurs", "the theory of relativity", "neural networks", "Kubernetes", "Linux", "Rust",
    "the news", "the election", "movies", "video games", "chess", "gardening", "insurance",
)  # fmt: skip
_UNKNOWN_QUESTIONS = (
    "What do you know about {t}?",
    "Tell me about {t}.",
    "Explain {t}.",
    "Write an essay about {t}.",
    "Can you explain {t} in detail?",
    "I have a question about {t}.",
    "Give me a summary of {t}.",
    "What should I know about {t}?",
)
_UNKNOWN_ANSWERS = (
    "I am only a small demonstration model, so I do not know much about {t}. "
    "Please ask a larger model.",
    "I'm sorry, I know very little about {t}. I am a small demonstration model.",
)
