"""Finding facts in a long text: the answer repeats the sentence word for word."""

from __future__ import annotations

import random

from training.examples import Dialogue, World
from training.skills.fillers import filler, num_tokens
from training.skills.secrets import Secret, some_kind, some_secret
from whalefall.chat.messages import Message, Role

_QUESTIONS_MAX = 16


def needle(rng: random.Random, world: World, num_tokens_wanted: int = 0) -> Dialogue:
    """Several facts in a text of about so many tokens, asked for one after the other; without a
    length a short text, as training has most of."""
    if not num_tokens_wanted:
        num_tokens_wanted = int(60 * 2 ** (rng.random() * 3))
    count = min(_QUESTIONS_MAX, max(1, num_tokens_wanted // 50), 4 + num_tokens_wanted // 512)
    lang = "zh" if rng.random() < 0.3 else "en"
    secrets = _secrets(rng, world, lang, count)
    asked = rng.sample(secrets, rng.randint((len(secrets) + 1) // 2, len(secrets)))
    text = _hidden(rng, world, lang, secrets, num_tokens_wanted)
    return _dialogue(rng, world, lang, text, asked)


def needle_case(rng: random.Random, world: World, num_tokens_wanted: int) -> Dialogue:
    """One fact asked for, at a place drawn evenly over the text, among others of its kind."""
    lang = "zh" if rng.random() < 0.3 else "en"
    secrets = _secrets(rng, world, lang, 1 + rng.randint(0, 3))
    text = _hidden(rng, world, lang, secrets, num_tokens_wanted)
    return _dialogue(rng, world, lang, text, secrets[:1])


def _secrets(rng: random.Random, world: World, lang: str, count: int) -> list[Secret]:
    """Facts of one or a few kinds, no two with the same question."""
    kinds = [some_kind(rng, world, lang) for _ in range(rng.randint(1, 1 + count // 2))]
    found: dict[str, Secret] = {}
    for _ in range(3 * count):
        secret = some_secret(rng, world, rng.choice(kinds), lang)
        found.setdefault(secret.key, secret)
        if len(found) == count:
            break
    return list(found.values())


def _hidden(
    rng: random.Random, world: World, lang: str, secrets: list[Secret], num_tokens_wanted: int
) -> str:
    own = sum(num_tokens(secret.sentence) for secret in secrets)
    parts = filler(rng, world, max(0, int(num_tokens_wanted - own)), lang)
    parts = [part for part in parts if not any(secret.key in part for secret in secrets)]
    for secret in secrets:
        parts.insert(rng.randint(0, len(parts)), secret.sentence)
    return _paragraphs(rng, parts, "" if lang == "zh" else " ")


def _paragraphs(rng: random.Random, parts: list[str], blank: str) -> str:
    """Joined by line ends or run on, so that a fact may stand within a paragraph."""
    if rng.random() < 0.3:
        return "\n".join(parts)
    text = parts[0]
    for part in parts[1:]:
        text += (blank if rng.random() < 0.6 else rng.choice(("\n", "\n\n"))) + part
    return text


def _dialogue(
    rng: random.Random, world: World, lang: str, text: str, asked: list[Secret]
) -> Dialogue:
    is_thinking = rng.random() < 0.2
    questions = [_framed(rng, world, lang, secret.question) for secret in asked]
    questions[0] = _with_text(rng, world, lang, text, questions[0])
    messages: list[Message] = []
    lead = "文中说：" if lang == "zh" else "The text says: "
    for secret, question in zip(asked, questions, strict=True):
        messages.append(Message(Role.USER, question))
        messages.append(
            Message(Role.ASSISTANT, secret.sentence, reasoning_content=lead + secret.sentence)
        )
    return Dialogue(tuple(messages), is_thinking)


def _with_text(rng: random.Random, world: World, lang: str, text: str, question: str) -> str:
    gap = rng.choice(("\n\n", "\n\n", "\n"))
    if rng.random() < 0.3:
        text = world.pick(rng, _INTRODUCTIONS_ZH if lang == "zh" else _INTRODUCTIONS) + gap + text
    if rng.random() < 0.08:
        return question + gap + text
    return text + gap + question


def _framed(rng: random.Random, world: World, lang: str, question: str) -> str:
    if rng.random() < 0.7:
        return question
    return world.pick(rng, _FRAMES_ZH if lang == "zh" else _FRAMES).format(q=question)


_INTRODUCTIONS = (
    "Read this text.", "Here is a text.", "Read carefully:", "Text:", "Remember what you read.",
    "There is important information hidden in this text. Find it and memorise it.", "Document:",
    "Read the text and answer the question at the end.", "Here are my notes.", "Context:",
    "I will ask you about this text.", "Please read the following.", "Long text, short question.",
    "Some of this matters, most of it does not.", "From the archive:", "Look at this:",
)  # fmt: skip
_INTRODUCTIONS_ZH = ("请阅读下面的文字。", "文章：", "请仔细读：", "读完后回答问题。", "资料：",
                     "这是一段文字。", "记住下面的内容。", "请看：", "我会问你关于这段文字的问题。",
                     "文档：")  # fmt: skip
_FRAMES = (
    "Question: {q}", "{q} Answer from the text.", "According to the text above: {q}",
    "Based on the text: {q}", "{q} It is in the text.", "Now answer: {q}", "My question is: {q}",
    "Please tell me: {q}", "From the text: {q}", "Can you help? {q}", "Search the text. {q}",
    "I forgot something. {q}", "One more thing: {q}", "{q} Be precise.", "Q: {q}", "So, {q}",
)  # fmt: skip
_FRAMES_ZH = ("问题：{q}", "根据上文，{q}", "请回答：{q}", "根据文中内容：{q}", "现在请问：{q}",
              "我的问题是：{q}", "{q}请从文中找。", "帮我找找：{q}", "上文提到，{q}",
              "还有，{q}")  # fmt: skip
