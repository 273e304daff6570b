"""Sorting a text under one of the labels that the request offers: sentiment, topic, spam, urgency,
intent, language, or labels explained by examples only. The answer is the bare label."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from training.examples import Exchange, Exchanges, World
from training.holdout import Split, is_held_out

_TRIES_MAX = 40


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

    @property
    def is_vague(self) -> bool:
        """Whether the labels alone do not tell what is asked."""
        return bool({"yes", "是"} & set(self.labels))


def classified(rng: random.Random, world: World) -> Exchanges:
    draw = rng.random()
    if draw < 0.15:
        return [_by_examples(rng, world)]
    if draw < 0.25:
        return [_without_labels(rng, world)]
    one = case(rng, world)
    pools = world.phrases["classification"][one.lang]
    general = () if one.is_vague else pools["asked"]
    asked = world.pick(rng, [*general, *pools["asked_of_kind"][one.kind]])
    question = asked.replace("{l}", _offered(rng, world, one)).replace("{t}", one.text)
    return [Exchange(question, one.label, _thought(one.lang, one.clue, one.label))]


def _without_labels(rng: random.Random, world: World) -> Exchange:
    """Only for kinds whose labels everybody knows."""
    lang = rng.choice(("en", "zh"))
    one = rng.choice((_sentiment, _language))(rng, world, lang)
    while one.kind == "sentiment" and one.labels[0] not in _KNOWN_FEELINGS[lang]:
        one = _sentiment(rng, world, lang)
    asked = world.pick(rng, world.phrases["classification"][lang]["open"][one.kind])
    return Exchange(asked.replace("{t}", one.text), one.label, _thought(lang, one.clue, one.label))


_KNOWN_FEELINGS = {"en": ("positive", "negative", "neutral"), "zh": ("正面", "负面", "中性")}


def case(rng: random.Random, world: World) -> Case:
    lang = rng.choice(("en", "zh"))
    makers = (_sentiment, _sentiment, _topic, _spam, _urgency, _intent, _language)
    return rng.choice(makers)(rng, world, lang)


def _thought(lang: str, clue: str, label: str) -> str:
    if lang == "zh":
        return f"文本说：{clue}。这属于{label}。"
    return f'The text says "{clue}". That is {label}.'


def _offered(rng: random.Random, world: World, one: Case) -> str:
    return _phrase(rng, world, one.lang, "joins").join(one.labels)


def _sentiment(rng: random.Random, world: World, lang: str) -> Case:
    names = rng.choice(world.phrases["classification"][lang]["sentiments"])
    feeling = rng.choice(_FEELINGS[: len(names)])
    labels = dict(zip(_FEELINGS, names, strict=False))
    text, clue = sentiment_text(rng, world, lang, feeling)
    return Case(lang, "sentiment", text, labels[feeling], _shuffled(rng, labels.values()), clue)


_FEELINGS = ("positive", "negative", "neutral")


def _ours(world: World, draw: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """A text from this world's side, and its clue. The clues themselves are all trained, since
    what a word means has to be known; held out are their combinations."""
    text, clue = draw()
    for _ in range(_TRIES_MAX):
        if is_held_out(text) is (world.split is Split.HELD_OUT):
            break
        text, clue = draw()
    return text, clue


def sentiment_text(rng: random.Random, world: World, lang: str, feeling: str) -> tuple[str, str]:
    """A text of one or two sentences, and the clause that tells."""
    return _ours(world, lambda: _feeling(rng, world, lang, feeling))


def _feeling(rng: random.Random, world: World, lang: str, feeling: str) -> tuple[str, str]:
    parts = world.phrases["sentiment"][lang]
    subject = world.pick(rng, parts["subjects"])
    if lang == "en" and rng.random() < 0.25:
        subject = f"The {world.words.common(rng)}"
    clue = _clause(rng, parts, feeling).replace("{x}", subject)
    if ": " + subject in clue or ", " + subject in clue:
        clue = clue.replace(subject, subject[0].lower() + subject[1:])
    sentences = [clue + rng.choice(("。", "！") if lang == "zh" else (".", "!", "."))]
    if rng.random() < 0.5:
        more = rng.choice(parts[f"also_{rng.choice((feeling, feeling, 'neutral'))}"])
        sentences.insert(rng.choice((0, 1, 1)), more)
    return ("" if lang == "zh" else " ").join(sentences), clue


def _clause(rng: random.Random, parts: Mapping[str, list[str]], feeling: str) -> str:
    """A whole one, or a verb with an adjective."""
    if rng.random() < 0.5:
        return rng.choice(parts[feeling])
    words = ("{x}", rng.choice(parts["verbs"]), rng.choice(parts["adverbs"]))
    blank = " " if parts["verbs"][0] else ""
    return blank.join(filter(None, (*words, rng.choice(parts[f"adjectives_{feeling}"]))))


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
    text, clue = _ours(world, lambda: _from_table(rng, world, lang, kind, label))
    return Case(lang, kind, text, label, tuple(labels), clue)


def _from_table(
    rng: random.Random, world: World, lang: str, kind: str, label: str
) -> tuple[str, str]:
    """One or two clues of a label, or a thing of its kind in a sentence that fits any."""
    things = world.phrases.get(f"{kind}_things", {}).get(lang)
    if things and rng.random() < 0.5:
        frame = world.pick(rng, world.phrases["frames"][lang])
        clue = frame.replace("{x}", rng.choice(things[label]))
        return _sentences(lang, [clue]), _bare(clue)
    clues = rng.sample(world.phrases[_TABLES[kind]][lang][label], rng.choice((1, 1, 2)))
    clues = [_with_words(rng, world, lang, clue) for clue in clues]
    return _sentences(lang, clues), _bare(clues[0])


_TABLES = {"topic": "topics", "intent": "intents"}


def _bare(text: str) -> str:
    return text.rstrip("?？.。!！")


def _spam(rng: random.Random, world: World, lang: str) -> Case:
    names = rng.choice(world.phrases["classification"][lang]["spam_labels"])
    return _of_two(rng, world, lang, "spam", names)


def _urgency(rng: random.Random, world: World, lang: str) -> Case:
    names = rng.choice(world.phrases["classification"][lang]["urgency_labels"])
    return _of_two(rng, world, lang, "urgency", names)


def _of_two(rng: random.Random, world: World, lang: str, kind: str, names: tuple[str, str]) -> Case:
    """The first name is for the first list of the table."""
    place = rng.randrange(2)
    pool = list(world.phrases[kind][lang].values())[place]
    text, clue = _ours(world, lambda: _from_list(rng, world, lang, pool))
    return Case(lang, kind, text, names[place], _shuffled(rng, names), clue)


def _from_list(rng: random.Random, world: World, lang: str, pool: list[str]) -> tuple[str, str]:
    clues = rng.sample(pool, rng.choice((1, 1, 2)))
    clues = [_with_words(rng, world, lang, clue) for clue in clues]
    return _sentences(lang, clues), _bare(clues[0])


def _language(rng: random.Random, world: World, lang: str) -> Case:
    known = world.phrases["languages"]
    language = rng.choice(list(known))
    others = rng.sample([name for name in known if name != language], rng.randint(1, 4))
    names = [language, *others]
    if lang == "zh":
        names = [world.phrases["languages_zh"][name] for name in names]
    text, clue = _ours(world, lambda: _from_sentences(rng, known[language]))
    return Case(lang, "language", text, names[0], _shuffled(rng, names), clue)


def _from_sentences(rng: random.Random, pool: list[str]) -> tuple[str, str]:
    chosen = rng.sample(pool, rng.choice((1, 2)))
    return " ".join(chosen), _bare(chosen[0])


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
    opening = _phrase(rng, world, lang, "few_shot")
    question = opening + "\n".join([*lines, text + arrow.rstrip()])
    return Exchange(question, labels[place], _thought(lang, _bare(text), labels[place]))


_ARROWS = (" -> ", " => ", ": ", " = ", "\nLabel: ", " → ", " | ", "\n")


def _made_up_labels(rng: random.Random, world: World, lang: str) -> tuple[str, str]:
    draw = world.words.common_chinese if lang == "zh" else world.words.common
    return draw(rng), draw(rng)


_Draw = Callable[[int], str]


def _feeling_pair(rng: random.Random, world: World, lang: str) -> _Draw:
    feelings = rng.sample(("positive", "negative"), 2)
    return lambda place: sentiment_text(rng, world, lang, feelings[place])[0]


def _topic_pair(rng: random.Random, world: World, lang: str) -> _Draw:
    topics = rng.sample(list(world.phrases["topics"][lang]), 2)
    return lambda place: _from_table(rng, world, lang, "topic", topics[place])[0]


def _with_words(rng: random.Random, world: World, lang: str, text: str) -> str:
    word = world.words.common_chinese(rng) if lang == "zh" else world.words.common(rng)
    return text.replace("{n}", str(rng.randint(2, 999))).replace("{w}", word)


def _sentences(lang: str, parts: list[str]) -> str:
    stop, blank = ("。", "") if lang == "zh" else (".", " ")
    return blank.join(part if part[-1] in "?？!！" else part + stop for part in parts)


def _shuffled(rng: random.Random, labels: Iterable[str]) -> tuple[str, ...]:
    mixed = list(labels)
    rng.shuffle(mixed)
    return tuple(mixed)


def _phrase(rng: random.Random, world: World, lang: str, name: str) -> str:
    return world.pick(rng, world.phrases["classification"][lang][name])
