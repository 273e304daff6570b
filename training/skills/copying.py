"""Saying again what stands in the question: the drill on which everything else is built."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, World
from training.skills.items import distinct, some_kind, value


def repeating(rng: random.Random, world: World) -> Exchanges:
    """A text after me: one to many words, names, codes, in either language."""
    return [_repeated(rng, world, _lang(rng)) for _ in range(rng.choice((1, 1, 2, 3)))]


def _repeated(rng: random.Random, world: World, lang: str) -> Exchange:
    text = text_to_copy(rng, world, lang)
    form = world.pick(rng, _REPEAT_ZH if lang == "zh" else _REPEAT)
    if rng.random() < 0.5:  # a word at the beginning of a line is the same token in the answer
        form = form.replace(": {t}", ":\n{t}")
    lead = "我重复：" if lang == "zh" else "I repeat: "
    return Exchange(form.format(t=text), text, lead + text)


def text_to_copy(rng: random.Random, world: World, lang: str) -> str:
    """Words in random order, mostly few: copying is the point, not sense."""
    low, high = rng.choices(((1, 1), (2, 4), (5, 10), (11, 24)), (4, 5, 3, 1))[0]
    count = rng.randint(low, high)
    if rng.random() < 0.3:
        items = [value(rng, world, some_kind(rng, lang), lang) for _ in range(count)]
    else:
        items = distinct(rng, world, some_kind(rng, lang), count, lang)
    if lang == "zh":
        return rng.choice(("", "，", "、", " ")).join(items)
    text = rng.choices((" ", ", ", "-"), (6, 3, 0.5))[0].join(items)
    if rng.random() < 0.2:
        text = text[0].upper() + text[1:] + rng.choice(".!?")
    return text


def quoting(rng: random.Random, world: World) -> Exchanges:
    """What somebody said, or what stands in the quotes."""
    lang = _lang(rng)
    count = rng.randint(1, 6)
    said = ("" if lang == "zh" else " ").join(value(rng, world, "word", lang) for _ in range(count))
    speaker, hearer = distinct(rng, world, _person(rng), 2, lang)
    told = world.pick(rng, _TOLD_ZH if lang == "zh" else _TOLD)
    asked = world.pick(rng, _QUOTE_ZH if lang == "zh" else _QUOTE)
    question = (told + rng.choice(("\n", " ")) + asked).format(t=said, a=speaker, b=hearer)
    lead = "引号里是：" if lang == "zh" else "In the quotes stands: "
    return [Exchange(question, said, lead + said)]


def greeting(rng: random.Random, world: World) -> Exchanges:
    """A fixed sentence around names that the user gives."""
    lang = _lang(rng)
    forms = _GREETINGS_ZH if lang == "zh" else _GREETINGS
    row, answer = rng.choice(forms)
    kind = _person(rng)
    a, b = distinct(rng, world, kind, 2, lang)
    question = world.pick(rng, row).format(a=a, b=b)
    lead = "名字：" if lang == "zh" else "The name: "
    return [Exchange(question, answer.format(a=a, b=b), lead + a)]


def templates(rng: random.Random, world: World) -> Exchanges:
    """Values put into the gaps of a sentence."""
    lang = _lang(rng)
    pattern = world.pick(rng, _PATTERNS_ZH if lang == "zh" else _PATTERNS)
    slots = [slot for slot in _SLOTS if f"{{{slot}}}" in pattern]
    values = {slot: value(rng, world, _SLOTS[slot], lang) for slot in slots}
    order = rng.sample(slots, len(slots))
    sign = rng.choice((" = ", ": ", "="))
    listed = rng.choice((", ", "; ", "\n")).join(f"{slot}{sign}{values[slot]}" for slot in order)
    form = world.pick(rng, _FILL_ZH if lang == "zh" else _FILL)
    return [Exchange(form.format(p=pattern, v=listed), pattern.format(**values), f"{listed}.")]


def cases(rng: random.Random, world: World) -> Exchanges:
    """Upper and lower case of words of the spelling table."""
    word = world.pick(rng, world.facts["spelling"])
    form, is_upper = world.pick(rng, _CASES_ZH if rng.random() < 0.25 else _CASES)
    given, answer = (word, word.upper()) if is_upper else (word.upper(), word)
    return [Exchange(form.format(w=given), answer, f"{given}: {answer}.")]


def again(rng: random.Random, world: World) -> Exchanges:
    """A word several times."""
    lang = _lang(rng)
    word, count = value(rng, world, "word", lang), rng.randint(2, 6)
    form = world.pick(rng, _AGAIN_ZH if lang == "zh" else _AGAIN)
    thought = f"{word}，{count}次。" if lang == "zh" else f"{word}, {count} times."
    return [Exchange(form.format(w=word, n=count), " ".join([word] * count), thought)]


def _lang(rng: random.Random) -> str:
    return "zh" if rng.random() < 0.35 else "en"


def _person(rng: random.Random) -> str:
    return rng.choice(("name", "first name"))


_REPEAT = (
    "Repeat after me: {t}", "Say: {t}", "Please repeat: {t}", "Say \"{t}\"", "Just say {t}",
    "Repeat this: {t}", "Echo: {t}", "Please say \"{t}\".", "Reply with \"{t}\"", "echo {t}",
    "Repeat: {t}", "repeat {t}", "Copy this: {t}", "Write this: {t}", "say {t}", "Write \"{t}\".",
    "Repeat the following: {t}", "Say exactly this: {t}", "Copy the text: {t}", "Type {t}",
    "Can you say \"{t}\"?", "Could you repeat this? {t}", "Answer with exactly: {t}",
    "Respond with: {t}", "Print {t}", "Output only this: {t}", "Say only \"{t}\"", "Now say: {t}",
    "I say, you repeat: {t}", "Give this back to me: {t}", "Reply only with: {t}", "Quote me: {t}",
    "Please write \"{t}\"", "Repeat these words: {t}", "Say this word for word: {t}",
)  # fmt: skip
_REPEAT_ZH = (
    "请重复：{t}", "重复一遍：{t}", "跟我说：{t}", "请说：{t}", "说：{t}", "重复：{t}", "请说“{t}”",
    "复述：{t}", "请只回复：{t}", "请原样输出：{t}", "照着写：{t}", "抄写：{t}", "跟我念：{t}",
    "请写“{t}”。", "回复“{t}”", "请把这句话再说一遍：{t}", "只说“{t}”", "你说{t}",
    "请复制这段文字：{t}", "原样重复下面的话：{t}", "输出：{t}", "再说一遍：{t}", "请跟着我说：{t}",
    "写出：{t}",
)  # fmt: skip
_TOLD = (
    "{a} said: \"{t}\"", "{a} said \"{t}\" to {b}.", "\"{t}\", said {a}.", "{a} wrote: \"{t}\"",
    "Then {a} told {b}: \"{t}\"", "{b} heard {a} say \"{t}\".", "\"{t}\", {a} called.",
    "{a} asked {b}: \"{t}\"", "\"{t}\", {a} answered {b}.", "The sign says \"{t}\".",
    "The note of {a} reads \"{t}\".", "In the letter stands \"{t}\", signed {a}.",
)  # fmt: skip
_QUOTE = (
    "What is in the quotes?", "What stands in quotes?", "Quote what was said.", "What was said?",
    "Give me the words in quotes.", "Write only the quoted text.", "Which words are quoted?",
    "Repeat only what is in quotation marks.", "What are the quoted words?", "The quote?",
    "Extract the quote.", "Copy the quoted part.", "Tell me the quoted text.", "quote only",
    "What is between the quotes?", "Give only the quotation.",
)  # fmt: skip
_TOLD_ZH = (
    "{a}说：“{t}”",
    "{a}对{b}说：“{t}”",
    "“{t}”，{a}说。",
    "{a}写道：“{t}”",
    "{a}告诉{b}：“{t}”",
    "牌子上写着“{t}”。",
    "{a}问{b}：“{t}”",
    "{a}回答：“{t}”",
    "纸条上写着“{t}”。",
)
_QUOTE_ZH = (
    "引号里是什么？", "说了什么？", "请写出引号里的内容。", "只写引号里的话。", "原话是什么？",
    "引号中的文字是？", "请摘出引号里的话", "复制引号里的内容。", "请引用原话。",
    "引号里写的是什么？",
)  # fmt: skip
_GREETINGS = (
    (("Say hello to {a}.", "Greet {a}.", "say hi to {a}", "Please greet {a}",
    "Welcome {a}, please.", "Can you say hello to {a}?", "My friend {a} is here, say hello!",
    "Say hello to my friend {a}", "Hello from {a}!", "Write a greeting for {a}."), "Hello, {a}!"),
    (("Say goodbye to {a}.", "{a} is leaving, say goodbye.", "Say bye to {a}", "Take leave of {a}.",
    "Please say goodbye to {a}", "{a} has to go now. Say goodbye!"), "Goodbye, {a}!"),
    (("Wish {a} a happy birthday.", "It is the birthday of {a}. Congratulate!",
    "Today is {a}'s birthday, say something.", "Say happy birthday to {a}",
    "Congratulate {a} on the birthday.", "{a} has birthday today!"), "Happy birthday, {a}!"),
    (("Thank {a}.", "Say thank you to {a}.", "{a} helped me. Thank {a} please.",
    "Please thank {a} for me", "Write thanks to {a}.", "say thanks to {a}"), "Thank you, {a}!"),
    (("Greet {a} and {b}.", "Say hello to {a} and {b}.", "{a} and {b} are here, say hello!",
    "Please greet both {a} and {b}", "say hi to {a} and {b}"), "Hello, {a} and {b}!"),
)  # fmt: skip
_GREETINGS_ZH = (
    (("向{a}问好。", "跟{a}打个招呼", "请对{a}说你好", "和{a}打招呼", "问候{a}", "请问候一下{a}。"),
    "{a}，你好！"), (("跟{a}说再见", "{a}要走了，说再见吧。", "向{a}告别", "请对{a}说再见。",
    "和{a}道别"), "{a}，再见！"), (("祝{a}生日快乐", "今天是{a}的生日，说点什么吧",
    "请祝{a}生日快乐。", "{a}过生日，祝福一下", "对{a}说生日快乐"), "{a}，生日快乐！"), (("谢谢{a}",
    "向{a}道谢。", "请感谢{a}", "{a}帮了我，请谢谢他。", "对{a}说谢谢"), "谢谢你，{a}！"),
)  # fmt: skip
_SLOTS = {"name": "name", "place": "city", "code": "code", "word": "word", "number": "number",
          "friend": "first name"}  # fmt: skip
_PATTERNS = (
    "Dear {name}, your order {code} is ready.", "{name} from {place} bought {number} tickets.",
    "Welcome to {place}, {name}!", "The code of {name} is {code}.", "Hello {name}, {friend} waits.",
    "{name} and {friend} meet in {place}.", "Room {number} belongs to {name}.",
    "Order {code}: {number} pieces.", "The password is {word}.", "{friend} says {word} to {name}.",
    "Flight {code} to {place} leaves now.", "{friend}, please call {name}.",
    "{number} letters for {name} have come to {place}.", "Parcel {code} is on its way to {place}.",
    "{name} likes the word {word}.", "The train to {place} stops at platform {number}.",
    "Thank you, {friend}, for the {word}.", "Ticket {code} was opened by {name}.",
    "{place} is {number} miles away.", "From {friend} to {name}: {word}!",
)  # fmt: skip
_PATTERNS_ZH = (
    "{name}您好，您的订单{code}已发货。", "{name}来自{place}。", "欢迎{name}来到{place}！",
    "密码是{word}。", "{name}买了{number}张票。", "{code}号航班飞往{place}。",
    "{name}住在{number}号房间。", "{name}喜欢{word}。", "{name}的编号是{code}。",
    "去{place}的火车在{number}号站台。", "{name}对大家说：{word}！",
)  # fmt: skip
_FILL = (
    "Fill in: {p}\n{v}", "Fill in the template \"{p}\" with {v}", "{v}\nTemplate: {p}",
    "Complete the sentence with these values.\n{p}\n{v}", "Put the values in: {p}\n{v}",
    "Use {v} in this sentence: {p}", "{p}\nReplace the placeholders: {v}", "Template: {p}\n{v}",
    "Here are the values:\n{v}\nFill them in: {p}", "Given {v}, write: {p}", "Render {p} with {v}",
)  # fmt: skip
_FILL_ZH = (
    "填空：{p}\n{v}", "把这些值填进去：{p}\n{v}", "模板：{p}\n{v}", "{v}\n请填入：{p}",
    "用{v}替换：{p}", "请用这些值完成句子。\n{p}\n{v}", "{p}\n替换占位符：{v}",
)  # fmt: skip
_CASES = (
    ("Write {w} in upper case.", True), ("Write {w} in lower case.", False),
    ("Uppercase {w}", True), ("Lowercase {w}", False), ("{w} in capital letters", True),
    ("{w} in small letters", False), ("Make {w} upper case.", True),
    ("Make {w} lower case.", False), ("Shout {w}!", True), ("Put {w} in capitals, please.", True),
    ("Convert {w} to lower case", False), ("Convert {w} to upper case", True),
    ("What is {w} in upper case?", True), ("What is {w} in lower case?", False),
    ("Change {w} to lowercase.", False), ("Change {w} to uppercase.", True),
    ("Capitalise all letters of {w}.", True),
)  # fmt: skip
_CASES_ZH = (
    ("把{w}变成大写", True),
    ("把{w}变成小写", False),
    ("{w}的大写是什么？", True),
    ("{w}的小写是什么？", False),
    ("请用大写写{w}。", True),
    ("请用小写写{w}。", False),
    ("{w}转大写", True),
    ("{w}转小写", False),
)
_AGAIN = (
    "Say {w} {n} times.", "Repeat the word {w} {n} times", "Write {w} {n} times.",
    "say {w} {n} times", "{n} times {w}, please.", "Repeat {w} {n} times.", "Type {w} {n} times",
    "I want to read {w} {n} times.", "Can you say {w} {n} times?", "Please write {w} {n} times",
    "Print {w} {n} times.", "Output {w} {n} times.",
)  # fmt: skip
_AGAIN_ZH = (
    "说{n}遍{w}", "把{w}重复{n}次", "{w}写{n}遍", "请说{n}次{w}。", "重复{n}遍：{w}",
    "把{w}说{n}次。", "请把{w}写{n}次", "输出{n}遍{w}",
)  # fmt: skip
