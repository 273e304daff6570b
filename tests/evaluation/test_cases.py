"""The file of cases: what is written is read again, and the bundled one asks what it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from whalefall.chat.messages import (
    ChatRequest,
    CompletionRequest,
    Message,
    ResponseFormat,
    ResponseFormatKind,
    Role,
    Tool,
    ToolCall,
)
from whalefall.evaluation.cases import Case, CasesError, Rule, chosen, read_cases, write_cases
from whalefall.evaluation.judges import Reply, judge

CHAT = Case(
    skill="tool calls",
    rule=Rule.CALLS,
    variant="single",
    messages=(Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "天气？")),
    thinking=True,
    tools=(Tool("f", None, {"type": "object", "properties": {}}),),
    response_format=ResponseFormat(ResponseFormatKind.JSON_OBJECT),
    calls=(ToolCall("call_0", "f", "{}"),),
    topics=(("a", "b"), ("c",)),
)
HOLE = Case(skill="fill in", rule=Rule.FILL_IN, prompt="a = ", suffix="\n", answer="1")


@pytest.mark.parametrize("name", ["cases.jsonl", "cases.jsonl.gz"])
def test_cases_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    write_cases(tmp_path / name, [CHAT, HOLE])
    assert read_cases(tmp_path / name) == [CHAT, HOLE]
    before = (tmp_path / name).read_bytes()
    write_cases(tmp_path / name, [CHAT, HOLE])
    assert (tmp_path / name).read_bytes() == before


def test_a_case_is_asked_as_a_client_would_ask_it() -> None:
    chat, hole = CHAT.request(1.0), HOLE.request(0.0)
    assert isinstance(chat, ChatRequest)
    assert (chat.thinking, chat.temperature, len(chat.messages)) == (True, 1.0, 2)
    assert isinstance(hole, CompletionRequest)
    assert (hole.prompt, hole.suffix, hole.temperature) == ("a = ", "\n", 0.0)
    assert (CHAT.language, HOLE.language) == ("zh", "en")


def test_the_first_of_each_skill_are_chosen() -> None:
    cases = [CHAT, HOLE, CHAT, HOLE]
    assert chosen(cases, num_per_skill=1) == [CHAT, HOLE]
    assert chosen(cases, ["fill in"]) == [HOLE, HOLE]
    with pytest.raises(CasesError, match="no cases of cooking"):
        chosen(cases, ["cooking"])


@pytest.mark.parametrize("content", [b"{}\n", b"nonsense\n", None])
def test_a_file_that_holds_no_cases_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "cases.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CasesError, match=r"cases\.jsonl"):
        read_cases(path)


def test_the_bundled_cases_cover_both_languages_and_every_rule() -> None:
    cases = read_cases()
    assert {case.language for case in cases} == {"en", "zh"}
    assert {case.rule for case in cases} == set(Rule)


def test_what_a_bundled_case_expects_is_right_by_its_own_rule() -> None:
    for case in read_cases():
        assert judge(case, Reply(case.answer, case.calls)).is_right, case.question
