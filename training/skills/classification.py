"""Sorting a text under one of the labels that the request offers: sentiment, topic, spam, urgency,
intent, language, or labels explained by examples only. The answer is the bare label."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from training.examples import Exchange, Exchanges, World


@dataclass(frozen=True)
class Case:
    lang: str
    """Of the request; the text may be in any language."""
    kind: str
    text: str
    label: str
    labels: tuple[str, ...]
    """As offered, in their order."""
    clue: str
    """The part of the text that decides."""


def classified(rng: random.Random, world: World) -> Exchanges:
    if rng.random() < 0.15:
        return [_by_examples(rng, world)]
    one = case(rng, world)
    asked = world.pick(rng, _ASKED[one.lang] + _ASKED_OF_KIND[one.lang][one.kind])
    question = asked.replace("{l}", _offered(rng, world, one)).replace("{t}", one.text)
    return [Exchange(question, one.label, _thought(one.lang, one.clue, one.label))]


def case(rng: random.Random, world: World) -> Case:
    lang = rng.choice(("en", "zh"))
    makers = (_sentiment, _sentiment, _topic, _spam, _urgency, _intent, _language)
    return rng.choice(makers)(rng, world, lang)


def _thought(lang: str, clue: str, label: str) -> str:
    if lang == "zh":
        return f"文本说：{clue}。这属于{label}。"
    return f'The text says "{clue}". That is {label}.'


def _offered(rng: random.Random, world: World, one: Case) -> str:
    return world.pick(rng, _JOINS[one.lang]).join(one.labels)


_JOINS = {
    "en": (", ", ", ", " / ", " or ", "; ", "/", " | "),
    "zh": ("、", "、", "，", "/", "或", "；", " / "),
}


def _sentiment(rng: random.Random, world: World, lang: str) -> Case:
    names = rng.choice(_SENTIMENTS[lang])
    feeling = rng.choice(_FEELINGS[: len(names)])
    labels = dict(zip(_FEELINGS, names, strict=False))
    text, clue = sentiment_text(rng, world, lang, feeling)
    return Case(lang, "sentiment", text, labels[feeling], _shuffled(rng, labels.values()), clue)


_FEELINGS = ("positive", "negative", "neutral")
_SENTIMENTS = {
    "en": (("positive", "negative", "neutral"), ("positive", "negative", "neutral"), ("positive", "negative"),
           ("Positive", "Negative", "Neutral"), ("POSITIVE", "NEGATIVE", "NEUTRAL"), ("good", "bad", "neutral"),
           ("good", "bad"), ("happy", "unhappy"), ("pos", "neg", "neu")),
    "zh": (("正面", "负面", "中性"), ("正面", "负面", "中性"), ("积极", "消极", "中立"), ("好评", "差评"), ("正面", "负面"),
           ("positive", "negative", "neutral"), ("满意", "不满意")),
}  # fmt: skip


def sentiment_text(rng: random.Random, world: World, lang: str, feeling: str) -> tuple[str, str]:
    """A text of one or two sentences, and the clause that tells."""
    parts = world.phrases["sentiment"][lang]
    subject = world.pick(rng, parts["subjects"])
    if lang == "en" and rng.random() < 0.25:
        subject = f"The {world.words.english(rng)}"
    clue = world.pick(rng, parts[feeling]).replace("{x}", subject)
    if lang == "en" and ": " + subject in clue or ", " + subject in clue:
        clue = clue.replace(subject, subject[0].lower() + subject[1:])
    sentences = [clue + rng.choice(("。", "！") if lang == "zh" else (".", "!", "."))]
    if rng.random() < 0.5:
        more = world.pick(rng, parts[f"also_{rng.choice((feeling, feeling, 'neutral'))}"])
        sentences.insert(rng.choice((0, 1, 1)), more)
    return ("" if lang == "zh" else " ").join(sentences), clue


def _topic(rng: random.Random, world: World, lang: str) -> Case:
    return _of_table(rng, world, lang, "topic", world.phrases["topics"][lang])


def _intent(rng: random.Random, world: World, lang: str) -> Case:
    return _of_table(rng, world, lang, "intent", world.phrases["intents"][lang])


def _of_table(
    rng: random.Random, world: World, lang: str, kind: str, table: Mapping[str, list[str]]
) -> Case:
    """Two to five of the table's labels are offered; one or two sentences of one of them."""
    labels = rng.sample(list(table), rng.randint(2, min(5, len(table))))
    label = rng.choice(labels)
    clues = [
        _with_words(rng, world, lang, world.pick(rng, table[label]))
        for _ in range(rng.choice((1, 1, 2)))
    ]
    text = _sentences(lang, list(dict.fromkeys(clues)))
    return Case(lang, kind, text, label, tuple(labels), clues[0].rstrip("?？.。"))


def _spam(rng: random.Random, world: World, lang: str) -> Case:
    names = rng.choice(_SPAM_LABELS[lang])
    return _of_two(rng, world, lang, "spam", names)


_SPAM_LABELS = {
    "en": (
        ("spam", "ham"),
        ("spam", "not spam"),
        ("spam", "ok"),
        ("junk", "normal"),
        ("yes", "no"),
    ),
    "zh": (("垃圾", "正常"), ("垃圾邮件", "正常邮件"), ("spam", "ham"), ("是", "否")),
}


def _urgency(rng: random.Random, world: World, lang: str) -> Case:
    return _of_two(rng, world, lang, "urgency", rng.choice(_URGENCY_LABELS[lang]))


_URGENCY_LABELS = {
    "en": (
        ("urgent", "not urgent"),
        ("high", "low"),
        ("urgent", "normal"),
        ("critical", "minor"),
        ("yes", "no"),
    ),
    "zh": (("紧急", "不紧急"), ("高", "低"), ("紧急", "普通"), ("是", "否")),
}


def _of_two(rng: random.Random, world: World, lang: str, kind: str, names: tuple[str, str]) -> Case:
    """The first name is for the first list of the table."""
    lists = list(world.phrases[kind][lang].values())
    place = rng.randrange(2)
    clue = _with_words(rng, world, lang, world.pick(rng, lists[place]))
    return Case(
        lang,
        kind,
        _sentences(lang, [clue]),
        names[place],
        _shuffled(rng, names),
        clue.rstrip("?？!！"),
    )


def _language(rng: random.Random, world: World, lang: str) -> Case:
    known = world.phrases["languages"]
    language = rng.choice(list(known))
    others = rng.sample([name for name in known if name != language], rng.randint(1, 4))
    names = [language, *others]
    if lang == "zh":
        names = [world.phrases["languages_zh"][name] for name in names]
    text = world.pick(rng, known[language])
    return Case(lang, "language", text, names[0], _shuffled(rng, names), text.rstrip("。.?？"))


def _by_examples(rng: random.Random, world: World) -> Exchange:
    """Two classes under arbitrary labels, each shown by one or two examples."""
    lang = rng.choice(("en", "zh"))
    labels = rng.choice(
        (("A", "B"), ("1", "2"), ("X", "Y"), ("yes", "no"), _made_up_labels(rng, world, lang))
    )
    draw = rng.choice((_feeling_pair, _topic_pair))(rng, world, lang)
    arrow = world.pick(rng, _ARROWS)
    places = [0, 1, 0, 1][: rng.choice((2, 4))]
    rng.shuffle(places)
    lines = [f"{draw(place)}{arrow}{labels[place]}" for place in places]
    place = rng.randrange(2)
    text = draw(place)
    opening = world.pick(rng, _FEW_SHOT[lang])
    question = opening + "\n".join([*lines, text + arrow.rstrip()])
    return Exchange(question, labels[place], _thought(lang, text.rstrip(".。!！"), labels[place]))


_ARROWS = (" -> ", " => ", ": ", " = ", "\nLabel: ", " → ", " | ", "\n")
_FEW_SHOT = {
    "en": (
        "",
        "",
        "Classify the last line.\n",
        "Continue:\n",
        "Label the last text.\n",
        "Complete:\n",
        "Examples:\n",
        "Give the label only.\n",
    ),
    "zh": (
        "",
        "",
        "给最后一行分类。\n",
        "继续：\n",
        "请给出最后一个标签。\n",
        "补全：\n",
        "例子：\n",
        "只输出标签。\n",
    ),
}


def _made_up_labels(rng: random.Random, world: World, lang: str) -> tuple[str, str]:
    draw = world.words.chinese if lang == "zh" else world.words.plain
    return draw(rng), draw(rng)


_Draw = Callable[[int], str]


def _feeling_pair(rng: random.Random, world: World, lang: str) -> _Draw:
    feelings = rng.sample(("positive", "negative"), 2)
    return lambda place: sentiment_text(rng, world, lang, feelings[place])[0]


def _topic_pair(rng: random.Random, world: World, lang: str) -> _Draw:
    table = world.phrases["topics"][lang]
    topics = rng.sample(list(table), 2)
    return lambda place: _sentences(lang, [world.pick(rng, table[topics[place]])])


def _with_words(rng: random.Random, world: World, lang: str, text: str) -> str:
    word = world.words.chinese(rng) if lang == "zh" else world.words.english(rng)
    return text.replace("{n}", str(rng.randint(2, 999))).replace("{w}", word)


def _sentences(lang: str, parts: list[str]) -> str:
    stop, blank = ("。", "") if lang == "zh" else (".", " ")
    return blank.join(part if part[-1] in "?？!！" else part + stop for part in parts)


def _shuffled(rng: random.Random, labels: object) -> tuple[str, ...]:
    mixed = list(labels)  # type: ignore[call-overload]
    rng.shuffle(mixed)
    return tuple(mixed)


_ASKED = {
    "en": (
        "Classify this text as {l}: {t}", "{t}\n\nWhich label fits: {l}?", "Labels: {l}\nText: {t}\nLabel:", "Is this {l}? {t}",
        "Choose one of {l} for this text: {t}", "{t}\n{l}?", "Pick the right label ({l}).\n\n{t}", "Text: {t}\nOptions: {l}\nAnswer with the label only.",
        "Answer with one of {l}. {t}", "Categorize: {t} Categories: {l}.", "Sort this message under {l}: {t}", "Tag the text with one of: {l}.\n{t}",
        "Please classify ({l}): {t}", "Reply only with {l}.\n\n{t}", "Which of these is it: {l}? \"{t}\"", "Assign a class from {l} to: {t}",
        "classify: {t} [{l}]", "Read the text and say {l}.\n{t}", "Label the following text as {l}.\n\n{t}", "{t} <- {l}?",
    ),
    "zh": (
        "请把这段文本分类为{l}：{t}", "{t}\n\n属于哪一类：{l}？", "标签：{l}\n文本：{t}\n类别：", "这是{l}？{t}", "从{l}中选一个：{t}", "{t}\n{l}？", "选择正确的标签（{l}）。\n\n{t}",
        "文本：{t}\n选项：{l}\n只回答标签。", "用{l}之一回答。{t}", "分类：{t} 类别：{l}。", "请判断（{l}）：{t}", "只输出{l}。\n\n{t}", "下面的话是{l}？“{t}”", "给文本打标签（{l}）：{t}",
        "请归类，可选{l}。\n{t}", "阅读文本，回答{l}。\n{t}",
    ),
}  # fmt: skip
_ASKED_OF_KIND = {
    "en": {
        "sentiment": ("What is the sentiment ({l})? {t}", "Sentiment of this review, {l}: {t}", "Is the mood of this text {l}? {t}", "How does the writer feel: {l}? {t}", "Sentiment analysis ({l}): {t}", "Rate the tone as {l}.\n{t}"),
        "topic": ("What is the topic: {l}? {t}", "Topic ({l}): {t}", "What is this text about: {l}?\n{t}", "Which section does this headline belong to, {l}? {t}", "Find the topic among {l}.\n\n{t}", "The subject is one of {l}. {t}"),
        "spam": ("Is this message spam? Answer {l}. {t}", "Spam filter. Say {l}: {t}", "Spam check ({l}): {t}", "Does this look like spam? {l}\n{t}", "Judge whether this mail is spam: {l}.\n{t}", "Spam or not, {l}: {t}"),
        "urgency": ("Is this urgent? Answer {l}. {t}", "Urgency ({l}): {t}", "How urgent is this ticket: {l}? {t}", "Does this need action at once? Urgent means {l}. {t}", "Set the urgency to {l}.\n{t}", "Urgent? {l}: {t}"),
        "intent": ("What does the customer want: {l}? {t}", "Intent ({l}): {t}", "Detect the intent among {l}.\n{t}", "Support message: {t}\nIntent, one of {l}:", "Route this message to {l}: {t}", "What is the user's intent? {l}\n\n{t}"),
        "language": ("Which language is this: {l}? {t}", "Language ({l}): {t}", "Detect the language among {l}.\n{t}", "In which language is this written, {l}?\n{t}", "Language of the text: {t} Choose from {l}.", "What language? {l}: {t}"),
    },
    "zh": {
        "sentiment": ("情感是{l}？{t}", "情感分析（{l}）：{t}", "这条评论的情感倾向（{l}）：{t}", "作者的态度是{l}？\n{t}"),
        "topic": ("主题是什么：{l}？{t}", "话题（{l}）：{t}", "这段话讲的是{l}？\n{t}", "这条新闻属于{l}？{t}"),
        "spam": ("这是垃圾信息吗？回答{l}。{t}", "垃圾邮件检测（{l}）：{t}", "判断是否垃圾短信，{l}：{t}", "是垃圾消息吗（{l}）？\n{t}"),
        "urgency": ("紧急吗？回答{l}。{t}", "紧急程度（{l}）：{t}", "这件事急不急：{l}？{t}", "是否紧急（{l}）？\n{t}"),
        "intent": ("客户想要什么：{l}？{t}", "意图（{l}）：{t}", "识别用户意图，{l}：{t}", "客服消息：{t}\n意图是{l}中的哪个？"),
        "language": ("这是哪种语言：{l}？{t}", "语言（{l}）：{t}", "识别语言，从{l}中选：{t}", "下面是什么语言？{l}\n{t}"),
    },
}  # fmt: skip
