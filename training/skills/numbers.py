"""What can be said of numbers and of things that stand in rows: bigger, even, next, how many."""

from __future__ import annotations

import random
from collections.abc import Sequence

from training.examples import Exchange, Exchanges, World
from training.skills.items import number_below

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS_ZH = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December")  # fmt: skip
_MONTHS_ZH = ("一月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "九月", "十月",
              "十一月", "十二月")  # fmt: skip


def comparisons(rng: random.Random, world: World) -> Exchanges:
    """The bigger or the smaller of two, whole or with decimals; in series, as people try out."""
    return [_comparison(rng, world) for _ in range(rng.choice((1, 2, 3)))]


def _comparison(rng: random.Random, world: World) -> Exchange:
    a, b = _two_numbers(rng, world)
    bigger, smaller = (a, b) if float(a) > float(b) else (b, a)
    why = _comparison_reason(a, b, bigger, smaller)
    wants_bigger = rng.random() < 0.7
    if rng.random() < 0.35:
        answer = f"{bigger} 比 {smaller} 大。" if wants_bigger else f"{smaller} 比 {bigger} 小。"
        forms_zh = _BIGGER_ZH if wants_bigger else _SMALLER_ZH
        return Exchange(world.pick(rng, forms_zh).format(a=a, b=b), answer, why)
    if rng.random() < 0.2:
        word = "Yes" if bigger == a else "No"
        question = world.pick(rng, _IS_BIGGER).format(a=a, b=b)
        return Exchange(question, f"{word}, {bigger} is bigger than {smaller}.", why)
    forms = _BIGGER if wants_bigger else _SMALLER
    answer = f"{bigger} is bigger than {smaller}." if wants_bigger else (
        f"{smaller} is smaller than {bigger}.")  # fmt: skip
    return Exchange(world.pick(rng, forms).format(a=a, b=b), answer, why)


def _two_numbers(rng: random.Random, world: World) -> tuple[str, str]:
    if rng.random() < 0.5:
        limit = 1000 if rng.random() < 0.5 else 100
        a = str(number_below(rng, world, limit))
        b = str(number_below(rng, world, limit))
        return (a, b) if a != b else _two_numbers(rng, world)
    whole = number_below(rng, world, 100) if rng.random() < 0.5 else rng.randint(0, 12)
    one, two = f"{whole}.{rng.randint(1, 9)}", f"{whole}.{rng.randint(1, 8)}{rng.randint(1, 9)}"
    return (one, two) if rng.random() < 0.5 else (two, one)


def _comparison_reason(a: str, b: str, bigger: str, smaller: str) -> str:
    """Decimals are written equally long first: that is the whole trick."""
    if "." not in a:
        return f"{bigger} > {smaller}."
    (whole, one), (_, two) = a.split("."), b.split(".")
    one, two = one.ljust(2, "0"), two.ljust(2, "0")
    return (
        f"{a} = {whole}.{one}, {b} = {whole}.{two}. "
        f"{max(one, two)} > {min(one, two)}, so {bigger} > {smaller}."
    )


def ordering(rng: random.Random, world: World) -> Exchanges:
    """Three to five numbers up, down, or the outermost of them."""
    count = rng.randint(3, 5)
    row = {number_below(rng, world, rng.choice((20, 100))) for _ in range(count)}
    numbers = rng.sample(sorted(row), len(row))
    kind = rng.choice(("up", "down", "max", "min"))
    answer_row = sorted(numbers, reverse=kind in ("down", "max"))
    is_chinese = rng.random() < 0.3
    forms = (_ORDERING_ZH if is_chinese else _ORDERING)[kind]
    gap = "、" if is_chinese else ", "
    question = world.pick(rng, forms).format(r=gap.join(map(str, numbers)))
    sorted_row = gap.join(map(str, answer_row))
    if kind in ("up", "down"):
        answer = sorted_row + ("。" if is_chinese else ".")
    elif is_chinese:
        answer = f"最{'大' if kind == 'max' else '小'}的是 {answer_row[0]}。"
    else:
        answer = f"The {'biggest' if kind == 'max' else 'smallest'} is {answer_row[0]}."
    return [Exchange(question, answer, f"Sorted: {sorted_row}.")]


def parity(rng: random.Random, world: World) -> Exchanges:
    number = number_below(rng, world, 100 if rng.random() < 0.6 else 1000)
    is_even, last = number % 2 == 0, number % 10
    if rng.random() < 0.35:
        word = "偶数" if is_even else "奇数"
        question = world.pick(rng, _PARITY_ZH).format(n=number)
        return [Exchange(question, f"{number} 是{word}。", f"{number} 的末位是 {last}。")]
    word = "even" if is_even else "odd"
    question = world.pick(rng, _PARITY).format(n=number)
    return [Exchange(question, f"{number} is {word}.", f"{number} ends with {last}.")]


def counting(rng: random.Random, world: World) -> Exchanges:
    """Up or down, from one or from anywhere."""
    start = 1 if rng.random() < 0.6 else rng.randint(2, 80)
    stop = start + rng.randint(2, 19)
    row = [str(number) for number in range(start, stop + 1)]
    forms: Sequence[str] = _COUNT if start == 1 else _COUNT_FROM
    forms_zh: Sequence[str] = _COUNT_FROM_ZH
    if rng.random() < 0.2:
        row.reverse()
        forms, forms_zh = _COUNT_DOWN, _COUNT_DOWN_ZH
    if rng.random() < 0.35:
        question = world.pick(rng, forms_zh).format(a=start, b=stop)
        return [Exchange(question, "、".join(row) + "。", f"从{row[0]}到{row[-1]}。")]
    question = world.pick(rng, forms).format(a=start, b=stop)
    return [Exchange(question, ", ".join(row) + ".", f"From {row[0]} to {row[-1]}.")]


def long_counting(rng: random.Random, world: World) -> Exchanges:
    """Long answers, of which people make tests for streaming and for limits."""
    stop = rng.choice((20, 25, 30, 40, 50, 60, 80, 100))
    row = [str(number) for number in range(1, stop + 1)]
    thought = f"From 1 to {stop}."
    if rng.random() < 0.3:
        question = world.pick(rng, _COUNT).format(b=stop) + " " + world.pick(rng, _BY_LINE)
        return [Exchange(question, "\n".join(row), thought)]
    if rng.random() < 0.3:
        question = world.pick(rng, _COUNT_FROM_ZH).format(a=1, b=stop)
        return [Exchange(question, "、".join(row) + "。", f"从1到{stop}。")]
    question = world.pick(rng, (*_COUNT, *_COUNT_FROM)).format(a=1, b=stop)
    return [Exchange(question, ", ".join(row) + ".", thought)]


def series(rng: random.Random, world: World) -> Exchanges:
    """The number that goes on with an even row."""
    step = rng.choice((1, 2, 2, 3, 4, 5, 5, 10, 10, -1, -2, -5, -10))
    start = world.pick(rng, range(60, 100) if step < 0 else range(60))
    row = [start + step * place for place in range(rng.randint(4, 5))]
    following = row[-1] + step
    shown = ", ".join(map(str, row))
    sign = "+" if step > 0 else "-"
    thought = f"{row[-1]} {sign} {abs(step)} = {following}."
    if rng.random() < 0.3:
        question = world.pick(rng, _SERIES_ZH).format(r=shown)
        return [Exchange(question, f"下一个数是 {following}。", thought)]
    question = world.pick(rng, _SERIES).format(r=shown)
    return [Exchange(question, f"The next number is {following}.", thought)]


def calendar(rng: random.Random, world: World) -> Exchanges:
    """Days and months: what comes after, before, and some days later."""
    is_chinese = rng.random() < 0.35
    if rng.random() < 0.3:
        row: Sequence[str] = _MONTHS_ZH if is_chinese else _MONTHS
        word, steps = ("个月", 1) if is_chinese else ("month", 1)
    else:
        row, word = (_DAYS_ZH, "天") if is_chinese else (_DAYS, "day")
        steps = rng.choice((1, 1, 2, 3, 4, 5, 6, 7))
    place = rng.randrange(len(row))
    if steps > 1:
        return [_days_later(rng, world, row, place, steps)]
    is_after = rng.random() < 0.6
    other = row[(place + (1 if is_after else -1)) % len(row)]
    if is_chinese:
        side = "后" if is_after else "前"
        question = world.pick(rng, _BESIDE_ZH).format(d=row[place], s=side)
        return [
            Exchange(question, f"{row[place]}的{side}一{word}是{other}。", f"{'、'.join(row)}。")
        ]
    side = "after" if is_after else "before"
    question = world.pick(rng, _BESIDE).format(d=row[place], s=side, w=word)
    return [Exchange(question, f"{other} comes {side} {row[place]}.", f"{', '.join(row)}.")]


def _days_later(
    rng: random.Random, world: World, row: Sequence[str], place: int, steps: int
) -> Exchange:
    passed = [row[(place + step) % 7] for step in range(1, steps + 1)]
    if row is _DAYS_ZH:
        question = world.pick(rng, _LATER_ZH).format(d=row[place], n=steps)
        return Exchange(question, f"{steps}天后是{passed[-1]}。", f"{'、'.join(passed)}。")
    question = world.pick(rng, _LATER).format(d=row[place], n=steps)
    return Exchange(question, f"In {steps} days it is {passed[-1]}.", f"{', '.join(passed)}.")


def units(rng: random.Random, world: World) -> Exchanges:
    """Small conversions into the smaller unit."""
    is_chinese = rng.random() < 0.35
    big, small, factor = rng.choice(_UNITS_ZH if is_chinese else _UNITS)
    count = rng.randint(1, 12 if factor < 100 else 9)
    result = count * factor
    thought = f"{count} × {factor} = {result}."
    if is_chinese:
        question = world.pick(rng, _CONVERT_ZH).format(n=count, b=big, s=small)
        return [Exchange(question, f"{count}{big}等于{result}{small}。", thought)]
    question = world.pick(rng, _CONVERT).format(n=count, b=big, s=small)
    one = big if count > 1 else {"feet": "foot"}.get(big, big.removesuffix("s"))
    verb = "are" if count > 1 else "is"
    return [Exchange(question, f"{count} {one} {verb} {result} {small}.", thought)]


_BIGGER = (
    "Which is bigger, {a} or {b}?", "Which is greater, {a} or {b}?", "What is larger: {a} or {b}?",
    "{a} or {b}, which is larger?", "Which is bigger {a} or {b}?", "{a} and {b}, which is greater?",
    "which is bigger: {a} or {b}", "Which number is greater, {a} or {b}?", "Bigger: {a} or {b}?",
    "Compare {a} and {b}.", "What is more, {a} or {b}?", "Which one is bigger, {a} or {b}?",
    "Tell me the bigger number: {a} or {b}", "Is {a} or {b} bigger?", "Is {a} or {b} greater?",
    "Which of {a} and {b} is larger?", "Of {a} and {b}, which is the bigger?",
    "max of {a} and {b}?",
)  # fmt: skip
_SMALLER = (
    "Which is smaller, {a} or {b}?", "Which is less, {a} or {b}?", "What is smaller: {a} or {b}?",
    "{a} or {b}, which is smaller?", "{a} and {b}, which is less?", "Is {a} or {b} smaller?",
    "which is smaller: {a} or {b}", "Which number is smaller, {a} or {b}?", "Smaller: {a} or {b}?",
    "Tell me the smaller number: {a} or {b}", "Which of {a} and {b} is smaller?",
)  # fmt: skip
_IS_BIGGER = (
    "Is {a} bigger than {b}?",
    "Is {a} more than {b}?",
    "Is {a} greater than {b}?",
    "{a} > {b}?",
    "Is {a} larger than {b}?",
    "Is it true that {a} is bigger than {b}?",
    "is {a} more than {b}",
    "Would you say {a} is bigger than {b}?",
)
_BIGGER_ZH = ("{a}和{b}哪个大？", "{a} 和 {b} 哪个更大？", "{a}大还是{b}大？", "比较{a}和{b}。",
              "{a}与{b}哪个大？", "{a}和{b}谁大？", "哪个更大，{a}还是{b}？",
              "请问{a}和{b}哪个大？", "{a}和{b}中较大的是？", "哪个数大：{a}，{b}？")  # fmt: skip
_SMALLER_ZH = ("{a}和{b}哪个小？", "{a} 和 {b} 哪个更小？", "{a}小还是{b}小？", "{a}与{b}哪个小？",
               "哪个更小，{a}还是{b}？", "{a}和{b}谁小？", "{a}和{b}中较小的是？",
               "请问{a}和{b}哪个小？")  # fmt: skip
_ORDERING = {
    "up": ("Sort these numbers: {r}", "Sort {r}.", "Put {r} in order.", "Order these: {r}",
           "Arrange {r} from small to big.", "Sort from smallest to largest: {r}", "sort {r}",
           "Write in ascending order: {r}", "Sort the list {r}"),
    "down": ("Sort in descending order: {r}", "Sort {r} from big to small.",
             "Order from largest to smallest: {r}", "Arrange {r} in descending order.",
             "Put {r} in order, biggest first.", "Sort downwards: {r}", "Sort {r}, largest first"),
    "max": ("What is the biggest of {r}?", "Which is the largest: {r}?", "Find the maximum of {r}.",
            "The biggest number in {r}?", "What is the maximum of {r}?", "max({r})",
            "Which number is biggest: {r}", "Largest of {r}?", "Of {r}, which is the greatest?"),
    "min": ("What is the smallest of {r}?", "Which is the smallest: {r}?", "min({r})",
            "Find the minimum of {r}.", "The smallest number in {r}?",
            "What is the minimum of {r}?", "Which number is smallest: {r}",
            "Of {r}, which is the least?"),
}  # fmt: skip
_ORDERING_ZH = {
    "up": (
        "把{r}从小到大排列。",
        "排序：{r}",
        "从小到大：{r}",
        "请给{r}排序",
        "将{r}按升序排列",
        "{r}从小到大怎么排？",
    ),
    "down": (
        "把{r}从大到小排列。",
        "从大到小：{r}",
        "将{r}按降序排列",
        "请从大到小排{r}",
        "{r}从大到小怎么排？",
    ),
    "max": (
        "{r}中最大的是哪个？",
        "{r}里哪个最大？",
        "找出{r}的最大值",
        "最大的数是哪个：{r}",
        "{r}谁最大？",
    ),
    "min": (
        "{r}中最小的是哪个？",
        "{r}里哪个最小？",
        "找出{r}的最小值",
        "最小的数是哪个：{r}",
        "{r}谁最小？",
    ),
}
_PARITY = (
    "Is {n} even or odd?", "Is {n} odd or even?", "Is {n} an even number?", "Is {n} an odd number?",
    "Is {n} even?", "Is {n} odd?", "even or odd: {n}", "{n}: odd or even?",
    "Is the number {n} even?", "Tell me whether {n} is even.", "Is {n} divisible by 2?",
    "What is {n}, even or odd?",
)  # fmt: skip
_PARITY_ZH = ("{n}是奇数还是偶数？", "{n}是偶数吗？", "{n}是奇数吗？", "{n}是单数还是双数？",
              "判断{n}的奇偶", "请问{n}是偶数还是奇数？", "{n}能被2整除吗？",
              "{n}：奇数？偶数？")  # fmt: skip
_COUNT = (
    "Count to {b}", "Count to {b}.", "Can you count to {b}?", "count to {b} please",
    "Count up to {b}.", "Please count to {b}.", "Count from 1 to {b}",
    "List the numbers from 1 to {b}.", "Write the numbers up to {b}.",
    "Say the numbers from 1 to {b}.", "Numbers from 1 to {b}, please.", "Print 1 to {b}",
    "I want you to count to {b}.", "Could you count up to {b}?",
)  # fmt: skip
_COUNT_FROM = (
    "Count from {a} to {b}.", "Count from {a} to {b}", "Please count from {a} to {b}.",
    "List the numbers from {a} to {b}.", "Write the numbers {a} to {b}.", "Say {a} to {b}.",
    "Start at {a} and count to {b}.", "Numbers from {a} to {b}, please.", "{a} up to {b}, count!",
    "Can you count from {a} to {b}?", "Which numbers are from {a} to {b}?", "Print {a} to {b}",
)  # fmt: skip
_BY_LINE = (
    "One number per line.",
    "one per line",
    "Each on its own line.",
    "Use a new line for each.",
    "Put each number on a line.",
    "One number in each line, please.",
    "line by line",
    "Write every number on a new line.",
)
_COUNT_DOWN = (
    "Count down from {b} to {a}.",
    "Count backwards from {b} to {a}.",
    "Countdown from {b} to {a}",
    "Count from {b} down to {a}.",
    "Please count down from {b} to {a}.",
    "From {b} back to {a}, count.",
    "Can you count backwards from {b} to {a}?",
    "Say the numbers from {b} down to {a}.",
)
_COUNT_FROM_ZH = ("从{a}数到{b}", "请从{a}数到{b}。", "从 {a} 数到 {b}", "数数，从{a}到{b}",
                  "写出{a}到{b}的数字", "列出从{a}到{b}的数。", "你能从{a}数到{b}吗？",
                  "{a}到{b}有哪些数？")  # fmt: skip
_COUNT_DOWN_ZH = (
    "从{b}倒数到{a}",
    "请从{b}倒着数到{a}。",
    "倒数：从{b}到{a}",
    "从{b}往下数到{a}",
    "你能从{b}倒数到{a}吗？",
    "倒着写出{b}到{a}",
)
_SERIES = (
    "What comes next: {r}", "What comes next? {r}", "{r}, ...", "Continue: {r}", "{r}, ?",
    "What is the next number: {r}?", "Which number follows: {r}?", "Complete the series {r}, _",
    "{r} what is next?", "Find the next number: {r}", "Next in {r}?", "Go on: {r}",
    "What number continues {r}?", "Guess the next one: {r}", "The series is {r}. What follows?",
)  # fmt: skip
_SERIES_ZH = ("{r}，下一个数是什么？", "{r}后面是几？", "找规律：{r}，？", "接着是什么：{r}",
              "{r}，然后呢？", "继续：{r}", "请写出下一个数：{r}",
              "数列{r}的下一项是？")  # fmt: skip
_BESIDE = (
    "What {w} comes {s} {d}?", "Which {w} comes {s} {d}?", "What is the {w} {s} {d}?", "{s} {d}?",
    "What comes {s} {d}?", "Which {w} is {s} {d}?", "the {w} {s} {d}?", "What {w} is {s} {d}?",
    "Tell me the {w} {s} {d}.", "Name the {w} {s} {d}.", "Do you know the {w} {s} {d}?",
)  # fmt: skip
_BESIDE_ZH = ("{d}的{s}面是什么？", "{d}{s}面是什么？", "{d}之{s}是什么？", "{d}的{s}一个是什么？",
              "请问{d}{s}面是哪个？", "什么在{d}{s}面？", "{d}{s}一个呢？")  # fmt: skip
_LATER = (
    "Today is {d}. What day is it in {n} days?",
    "If today is {d}, what day is it in {n} days?",
    "What day is {n} days after {d}?",
    "It is {d}. Which day will it be in {n} days?",
    "{d} plus {n} days?",
    "Which day is {n} days after {d}?",
    "{n} days after {d} is which day?",
    "Now it is {d}. What day comes {n} days later?",
    "{d} in {n} days: which day?",
    "Counting {n} days from {d}, what day is it?",
)
_LATER_ZH = ("今天是{d}，{n}天后是星期几？", "如果今天是{d}，{n}天后是星期几？",
             "{d}的{n}天后是星期几？", "{d}过{n}天是星期几？", "{d}之后{n}天是哪天？",
             "今天{d}，再过{n}天呢？", "{d}加{n}天是星期几？")  # fmt: skip
_UNITS = (
    ("hours", "minutes", 60), ("minutes", "seconds", 60), ("days", "hours", 24), ("weeks",
    "days", 7), ("years", "months", 12), ("metres", "centimetres", 100), ("kilometres",
    "metres", 1000), ("kilograms", "grams", 1000), ("centimetres", "millimetres", 10), ("dozens",
    "pieces", 12), ("dollars", "cents", 100), ("litres", "millilitres", 1000), ("feet",
    "inches", 12),
)  # fmt: skip
_UNITS_ZH = (
    ("小时", "分钟", 60),
    ("分钟", "秒", 60),
    ("天", "小时", 24),
    ("周", "天", 7),
    ("年", "个月", 12),
    ("米", "厘米", 100),
    ("公里", "米", 1000),
    ("公斤", "克", 1000),
    ("厘米", "毫米", 10),
    ("元", "角", 10),
    ("升", "毫升", 1000),
)
_CONVERT = (
    "How many {s} are {n} {b}?", "How many {s} in {n} {b}?", "Convert {n} {b} to {s}.",
    "{n} {b} in {s}?", "What is {n} {b} in {s}?", "How many {s} are in {n} {b}?", "{n} {b} = ? {s}",
    "How many {s} do {n} {b} have?", "Turn {n} {b} into {s}.", "convert {n} {b} into {s}",
    "Express {n} {b} in {s}.", "Please convert {n} {b} to {s}", "{n} {b} are how many {s}?",
)  # fmt: skip
_CONVERT_ZH = ("{n}{b}等于多少{s}？", "{n}{b}是多少{s}？", "{n}{b}有几{s}？", "把{n}{b}换算成{s}",
               "{n}{b}=?{s}", "{n}{b}有多少{s}？", "请把{n}{b}换成{s}。",
               "请问{n}{b}等于几{s}？")  # fmt: skip
