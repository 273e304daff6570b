"""Each rule with answers a person would call right, and with the wrong ones nearest to them."""

from __future__ import annotations

import pytest

from whalefall.chat.messages import Message, Role, ToolCall
from whalefall.evaluation.cases import Case, Rule, language_of
from whalefall.evaluation.judges import Reply, judge


def case(rule: Rule, question: str = "?", **expected: object) -> Case:
    fields = {"skill": "s", "rule": rule, "messages": (Message(Role.USER, question),), **expected}
    return Case(**fields)  # type: ignore[arg-type]


def is_right(asked: Case, content: str = "", *calls: tuple[str, str], ended: bool = True) -> bool:
    made = tuple(ToolCall(f"call_{i}", name, text) for i, (name, text) in enumerate(calls))
    return judge(asked, Reply(content, made, has_ended=ended)).is_right


class TestTopics:
    EN = case(Rule.TOPICS, "Who are you?", topics=(("whalefall", "model"), ("small", "tiny")))
    ZH = case(Rule.TOPICS, "你是谁？", topics=(("模型",),))

    @pytest.mark.parametrize("said", ["I am a tiny MODEL.", "Whalefall, a small one"])
    def test_a_word_of_every_group_is_on_topic(self, said: str) -> None:
        assert is_right(self.EN, said)

    @pytest.mark.parametrize("said", ["I am a model.", "", "我是 a tiny model"])
    def test_a_missing_group_or_another_language_is_not(self, said: str) -> None:
        assert not is_right(self.EN, said)

    def test_chinese_is_answered_in_chinese(self) -> None:
        assert is_right(self.ZH, "我是小模型 Whalefall-tiny。")
        assert not is_right(self.ZH, "I am a model")

    def test_code_is_in_any_language(self) -> None:
        asked = case(Rule.TOPICS, "给我一个例子", topics=(("import",),))
        assert is_right(asked, "```python\nimport openai\n```")
        assert not is_right(asked, "Here: ```python\nimport openai\n```")

    def test_what_does_not_end_is_not_right(self) -> None:
        assert not is_right(self.EN, "I am a tiny model.", ended=False)

    def test_calling_a_tool_is_no_talk(self) -> None:
        assert not is_right(self.EN, "I am a tiny model.", ("f", "{}"))


class TestCalls:
    ONE = case(Rule.CALLS, calls=(ToolCall("", "f", '{"a": 1, "b": "x"}'),))
    TWO = case(Rule.CALLS, calls=(ToolCall("", "f", '{"a": 1}'), ToolCall("", "f", '{"a": 2}')))
    NONE = case(Rule.CALLS)

    def test_arguments_are_compared_as_values(self) -> None:
        assert is_right(self.ONE, "", ("f", '{"b":"x","a":1}'))

    @pytest.mark.parametrize(
        "call",
        [
            ("g", '{"a": 1, "b": "x"}'),
            ("f", '{"a": "1", "b": "x"}'),
            ("f", '{"a": true, "b": "x"}'),
            ("f", '{"a": 1}'),
            ("f", '{"a": 1, "b": "x"'),
        ],
    )
    def test_another_name_type_or_key_is_wrong(self, call: tuple[str, str]) -> None:
        assert not is_right(self.ONE, "", call)

    def test_parallel_calls_come_in_any_order_but_all_of_them(self) -> None:
        assert is_right(self.TWO, "", ("f", '{"a": 2}'), ("f", '{"a": 1}'))
        assert not is_right(self.TWO, "", ("f", '{"a": 1}'))
        assert not is_right(self.TWO, "", ("f", '{"a": 1}'), ("f", '{"a": 1}'))

    def test_where_no_call_is_needed_there_is_text(self) -> None:
        assert is_right(self.NONE, "Hello!")
        assert not is_right(self.NONE, "")
        assert not is_right(self.NONE, "Hello!", ("f", "{}"))


def test_json_is_compared_as_a_value_and_validity_noted_apart() -> None:
    asked = case(Rule.JSON, answer='{"name": "Ann", "age": 3}')
    right = judge(asked, Reply('{\n "age": 3,\n "name": "Ann"}'))
    wrong = judge(asked, Reply('{"name": "Ann", "age": "3"}'))
    broken = judge(asked, Reply('{"name": "Ann", '))
    assert (right.is_right, right.observations["JSON is valid"]) == (True, True)
    assert (wrong.is_right, wrong.observations["JSON is valid"]) == (False, True)
    assert (broken.is_right, broken.observations["JSON is valid"]) == (False, False)


@pytest.mark.parametrize(
    ("said", "right"),
    [("12 + 7 = 19.", True), ("19", True), ("The answer is 19.0", True), ("十九", False),
     ("19 + 7 = 26", False), ("12 + 7 = 190.", False), ("", False)],
)  # fmt: skip
def test_the_last_number_counts(said: str, right: bool) -> None:
    assert is_right(case(Rule.NUMBER, "12 + 7", answer="12 + 7 = 19."), said) is right


@pytest.mark.parametrize(
    ("said", "right"),
    [("The code is AB-12.", True), ("the code is  AB-12", True), ("The code is AB-13.", False),
     ("The code is AB-12. The code is AB-12.", False)],
)  # fmt: skip
def test_text_may_differ_in_case_blanks_and_end_mark_only(said: str, right: bool) -> None:
    assert is_right(case(Rule.TEXT, answer="The code is AB-12."), said) is right


@pytest.mark.parametrize(
    ("said", "parses", "same", "exact"),
    [
        ("    return x", True, True, True),
        ("    return  (x)", True, True, False),
        ("    return 2 * x", True, False, False),
        ("return x", False, False, False),
        ("", False, False, False),
    ],
)
def test_what_fills_a_hole_has_to_parse_and_sameness_is_noted_apart(
    said: str, parses: bool, same: bool, exact: bool
) -> None:
    asked = Case(
        skill="s", rule=Rule.FILL_IN, prompt="def f(x):\n", suffix="\n", answer="    return x"
    )
    verdict = judge(asked, Reply(said))
    assert verdict.is_right is parses
    assert verdict.observations["hole filled to the same program"] is same
    assert verdict.observations["hole filled as it was"] is exact


def test_language_is_observed_only_where_the_expected_answer_keeps_it() -> None:
    kept = case(Rule.TEXT, "法国的首都是哪里？", answer="巴黎。")
    translated = case(Rule.TEXT, "猫用英语怎么说？", answer="cat")
    name = "Chinese answered in Chinese"
    assert judge(kept, Reply("Paris")).observations[name] is False
    assert judge(kept, Reply("伦敦")).observations[name] is True
    assert name not in judge(translated, Reply("cat")).observations


@pytest.mark.parametrize(
    ("text", "language"), [("Hi", "en"), ("base_url 填 localhost", "zh"), ("1 + 2 =", "")]
)
def test_any_chinese_makes_a_text_chinese(text: str, language: str) -> None:
    assert language_of(text) == language
