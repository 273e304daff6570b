"""How people ask: a phrasing with its choices made, words before and behind it, and slips of typing.

In a phrasing `{a|b}` is a choice and `{name}` a value or one of the shared pools below. Whole
phrasings, shared pools, openings and closings are split into trained and held out; the choices
inside of a phrasing are not, as a synonym that was never trained could not be understood."""

from __future__ import annotations

import random
import re

from training.examples import World

_CHOICE = re.compile(r"\{([^{}]*)\}")

POOLS: dict[str, tuple[str, ...]] = {
    "how": (
        "How do I", "How can I", "How do you", "How would I", "How should I", "how to",
        "What is the way to", "What do I have to do to", "What must I do to", "Can I",
        "Tell me how to", "Show me how to", "Explain how to", "I want to", "I'd like to",
        "I need to", "Is there a way to", "What's the best way to", "Is it possible to",
    ),
    "where": ("Where do I", "Where can I", "Where should I", "In which place do I"),
    "what is": (
        "What is", "What's", "what is", "Explain", "Tell me about", "What exactly is",
        "Could you explain", "Can you explain", "Define", "Describe", "A word on", "What do you mean by",
        "I don't understand", "Please explain", "Do you know what is", "Tell me what is",
    ),
    "tell me": (
        "Tell me", "Give me", "I want", "I'd like", "Let me hear", "Can you tell me", "Please tell me",
        "Could you give me", "I want to hear", "Can I have", "Share", "Do you have", "Do you know",
        "Could you tell me", "I would like", "Would you tell me", "Please give me",
    ),
    "怎么": (
        "怎么", "如何", "怎样", "要怎么", "该怎么", "怎么才能", "我想", "我要", "怎样才能", "我该如何",
        "应该怎么", "能不能", "可以", "请教一下怎么", "告诉我怎么", "需要怎么",
    ),
    "什么是": (
        "什么是", "解释一下", "介绍一下", "说说", "讲讲", "请解释", "我不懂", "说明一下", "请介绍",
        "能解释一下", "什么叫", "请说说", "请问什么是", "帮我解释", "告诉我什么是", "谈谈",
    ),
    "给我": (
        "给我", "帮我", "请", "请给我", "你能", "可以给我", "能不能给我", "我想听你", "来，", "快给我",
        "麻烦你", "现在", "再", "你来", "能给我", "请你",
    ),
}  # fmt: skip
"""Pools that many phrasings share."""

OPENINGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("en", "ask"): (
        "Hi, ", "Hello, ", "Hey, ", "Hi! ", "Hello! ", "Hey! ", "Hi there, ", "Hello there. ", "Good morning, ",
        "Good evening. ", "Please tell me: ", "Quick question - ", "Quick question: ", "Excuse me, ",
        "One question: ", "OK, ", "Okay. ", "Well, ", "So, ", "So ", "By the way, ", "Just wondering: ",
        "I was wondering: ", "Can you tell me: ", "I'd like to know: ", "I want to know: ", "I have a question: ",
        "Question: ", "Hi Whalefall, ", "Hey Whalefall! ", "Please: ", "Please, ", "Sorry, ", "Now, ", "And ",
        "Also, ", "Next question: ", "Another question: ", "Let me ask: ", "Tell me, ", "Say, ", "Um, ", "Oh, ",
        "Hello again. ", "Dear assistant, ", "Good day. ", "Maybe you know: ", "Listen, ", "Right, ", "Hmm, ",
        "Alright, ", "First: ", "Here is my question: ", "My question is: ", "Help me, ", "A question for you: ",
    ),
    ("en", "say"): (
        "Hi, ", "Hey, ", "OK, ", "Okay, ", "Oh, ", "Well, ", "Ah, ", "Alright, ", "So, ", "Hmm, ", "Oh well, ",
        "Right, ", "Hi Whalefall, ", "Yeah, ", "Ok ", "Hey! ", "Now ", "Um, ", "Hello! ", "Haha, ", "Look, ",
        "Listen, ", "Wow, ", "And ",
    ),
    ("zh", "ask"): (
        "你好，", "您好，", "嗨，", "你好！", "请问", "请问，", "请告诉我，", "我想知道，", "想问一下，", "问一下，",
        "问个问题：", "我有个问题，", "麻烦问一下，", "打扰一下，", "那么，", "那", "对了，", "好的，", "好，",
        "早上好，", "晚上好，", "下午好，", "顺便问一下，", "请教一下，", "我的问题是：", "还有，", "另外，",
        "小鲸，", "嗯，", "哈喽，", "不好意思，", "帮我看看，", "能告诉我吗，", "快速问一下，", "我想问，", "再问一个：",
        "下一个问题：", "新手提问：", "你知道吗，", "喂，", "朋友，", "你说说，", "说实话，", "在吗？",
    ),
    ("zh", "say"): (
        "嗯，", "好，", "好的，", "啊，", "哦，", "那", "那么，", "嗨，", "哎，", "哈哈，", "对了，", "你好，",
        "唉，", "好吧，", "行，", "喂，", "嘿，", "那好，", "哇，", "小鲸，",
    ),
}  # fmt: skip
CLOSINGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("en", "ask"): (
        " please", ", please", " Please!", " Thanks!", " Thank you.", " Thanks in advance.", " :)", " ...", "!",
        " I'm new here.", " I really want to know.", " Any idea?", " Do you know?", " Can you help?", " thx",
        " now", ", my friend", " exactly", " here", " Be brief.", " Keep it short.", " I am curious.",
        " I can't find it.", " I forgot.", " Help!", " pls", " again", ", then", " right now", " I wonder.",
        " Just briefly.", " It is important.", " for me", " Many thanks!",
    ),
    ("en", "say"): (
        "!", "!!", " :)", " ...", ", my friend", " now", ", Whalefall", " ;)", "...", " then", " 😊", " really",
        " today", ", little model", " again", ", you know", " haha", ".",
    ),
    ("zh", "ask"): (
        "，谢谢", "，谢谢！", "，谢谢你", "呢", "呢？", "呀", "啊？", "~", "……", "！", "，急", "，我是新手",
        "，请简单说", "，求解答", "，在线等", "，想了解一下", "？谢谢", "，帮帮我", "，麻烦了", "，你知道吗",
        "，多谢", "，拜托", " :)", "，简短一点", "，我忘了", "，我找不到", "，告诉我吧", "？？",
    ),
    ("zh", "say"): (
        "！", "！！", "啊", "呀", "~", "哦", "……", "啦", "，朋友", " :)", "，小鲸", "。", " 😊", "哈", "呢", "，哈哈",
    ),
}  # fmt: skip
"""By language and frame. The frame says what a phrasing is: a question, or something just said;
"bare" ones stand alone."""


def chosen(rng: random.Random, world: World, phrasing: str, **values: object) -> str:
    """The phrasing with every choice made and every value filled in."""

    def piece(found: re.Match[str]) -> str:
        inside = found[1]
        if inside in values:
            return str(values[inside])
        return rng.choice(inside.split("|")) if "|" in inside else world.pick(rng, POOLS[inside])

    return _CHOICE.sub(piece, phrasing)


def asked(rng: random.Random, world: World, question: str, frame: str = "ask") -> str:
    """The question as somebody types it; its language is told from its characters."""
    lang = language_of(question)
    if (lang, frame) in OPENINGS:
        question = _framed(rng, world, question, (lang, frame))
    return _slip_zh(rng, question) if lang == "zh" else _slip(rng, question)


def language_of(text: str) -> str:
    return "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else "en"


def _framed(rng: random.Random, world: World, question: str, kind: tuple[str, str]) -> str:
    if rng.random() < 0.15:
        question = _closed(question, world.pick(rng, CLOSINGS[kind]))
    if rng.random() < 0.25:
        question = world.pick(rng, OPENINGS[kind]) + _continued(rng, question)
    return question


def _closed(question: str, closing: str) -> str:
    """A closing that is a sentence of its own stands behind a mark, others take its place."""
    bare = question.rstrip("?.!？。！ ")
    if closing[:1] == " " and closing[1:2].isupper():
        return (question if question != bare else bare + ".") + closing
    return bare + closing


def _continued(rng: random.Random, question: str) -> str:
    """Behind an opening most people go on in lower case."""
    is_name = question.startswith(("I ", "I'", "FIM", "JSON", "API")) or question[1:2].isupper()
    return question if is_name or rng.random() < 0.4 else question[:1].lower() + question[1:]


def _slip(rng: random.Random, question: str) -> str:
    """Typed as it is half of the time; else without marks, in lower case, or with a typo."""
    draw = rng.random()
    if draw < 0.5:
        return question
    if draw < 0.64:
        return question.rstrip("?.!")
    if draw < 0.74:
        return question.lower()
    if draw < 0.84:
        return question.rstrip("?.!").lower()
    if draw < 0.89:
        return question.replace("'", "")
    if draw < 0.92:
        return question.rstrip("?.!") + rng.choice(("!", "??", " ?", "...", "!!", "\n", " "))
    return question.upper() if draw > 0.99 else _typo(rng, question)


def _typo(rng: random.Random, question: str) -> str:
    """One letter doubled, lost, or swapped with the next, in a word of at least five letters."""
    words = [found.span() for found in re.finditer(r"[A-Za-z]{5,}", question)]
    if not words:
        return question
    start, end = rng.choice(words)
    at = rng.randrange(start + 1, end - 1)
    change = rng.randrange(3)
    if change == 0:
        return question[:at] + question[at] + question[at:]
    if change == 1:
        return question[:at] + question[at + 1 :]
    return question[:at] + question[at + 1] + question[at] + question[at + 2 :]


def _slip_zh(rng: random.Random, question: str) -> str:
    draw = rng.random()
    if draw < 0.55:
        return question
    bare = question.rstrip("？。！?!")
    if draw < 0.75:
        return bare
    if draw < 0.85:
        return bare + rng.choice(("?", "？", "。", "！", " ", "??"))
    if draw < 0.93:
        return question.replace("？", "?").replace("，", ",")
    return question.replace(" ", "")
