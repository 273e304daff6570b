"""The pipeline from tokens to events: what is delivered, counted and held back."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import joined_content, joined_reasoning
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.messages import (
    ChatRequest,
    ContentDelta,
    Event,
    FinishReason,
    Message,
    Role,
    Tool,
    ToolCallArguments,
    ToolCallStart,
)
from whalefall.chat.parser import ResponseParser
from whalefall.chat.tokenizer import Tokenizer
from whalefall.engine.request import TokenLogprobs
from whalefall.serving.pipeline import OutputPipeline


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.bundled()


def run(
    pipeline: OutputPipeline, text: str, reason: FinishReason = FinishReason.STOP
) -> tuple[list[Event], FinishReason]:
    events: list[Event] = []
    for token_id in tokenizer().encode(text, allow_special=True):
        if pipeline.is_stopped:
            break
        events += pipeline.push(token_id, None)
    return events + pipeline.finish(reason), pipeline.finish_reason(reason)


def test_thoughts_and_answer_are_told_apart_and_counted() -> None:
    pipeline = OutputPipeline(tokenizer(), ResponseParser(in_reasoning=True), ())
    events, reason = run(pipeline, "Let me think.</think>It is four.")
    assert joined_reasoning(events) == "Let me think."
    assert joined_content(events) == "It is four."
    assert reason is FinishReason.STOP
    thought = len(tokenizer().encode("Let me think."))
    assert pipeline.reasoning_tokens == thought
    assert pipeline.completion_tokens == thought + 1 + len(tokenizer().encode("It is four."))


def test_cut_among_the_thoughts_everything_is_reasoning() -> None:
    pipeline = OutputPipeline(tokenizer(), ResponseParser(in_reasoning=True), ())
    events, reason = run(pipeline, "Let me think about", FinishReason.LENGTH)
    assert joined_content(events) == ""
    assert pipeline.reasoning_tokens == pipeline.completion_tokens > 0
    assert reason is FinishReason.LENGTH


def test_stop_string_ends_the_content_and_is_not_returned() -> None:
    pipeline = OutputPipeline(tokenizer(), ResponseParser(), ("four", "STOP"))
    events, reason = run(pipeline, "one two three four five six", FinishReason.LENGTH)
    assert joined_content(events) == "one two three "
    assert pipeline.stop_sequence == "four"
    assert reason is FinishReason.STOP
    assert pipeline.completion_tokens < len(tokenizer().encode("one two three four five six"))


def test_stop_string_among_the_thoughts_does_not_end_them() -> None:
    pipeline = OutputPipeline(tokenizer(), ResponseParser(in_reasoning=True), ("four",))
    events, _ = run(pipeline, "two and two is four</think>It is 4, or four.")
    assert joined_reasoning(events) == "two and two is four"
    assert joined_content(events) == "It is 4, or "


def test_start_of_a_stop_string_that_never_completes_is_delivered() -> None:
    pipeline = OutputPipeline(tokenizer(), None, ("abcdef",))
    events, _ = run(pipeline, "xyz abcde")
    assert joined_content(events) == "xyz abcde"


def test_logprobs_of_every_token_arrive_once_and_in_order() -> None:
    text = "日本 ab🐋c and <tag> abc"
    ids = tokenizer().encode(text)
    pipeline = OutputPipeline(tokenizer(), ResponseParser(), ("abcd",))
    events: list[Event] = []
    for index, token_id in enumerate(ids):
        events += pipeline.push(token_id, TokenLogprobs(token_id, -float(index), []))
    events += pipeline.finish(FinishReason.STOP)
    assert joined_content(events) == text
    entries = [e for event in events if isinstance(event, ContentDelta) for e in event.logprobs]
    assert [entry.logprob for entry in entries] == [-float(index) for index in range(len(ids))]


def test_tool_call_changes_the_reason() -> None:
    from_model = (
        "One moment.\n\n<｜DSML｜function_calls>\n"
        '<｜DSML｜invoke name="get_weather">\n'
        '<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
    )
    pipeline = OutputPipeline(tokenizer(), tool_parser(), ("Paris",))
    events, reason = run(pipeline, from_model)
    assert joined_content(events) == "One moment."
    assert [event.name for event in events if isinstance(event, ToolCallStart)] == ["get_weather"]
    arguments = "".join(e.fragment for e in events if isinstance(e, ToolCallArguments))
    assert arguments == '{"city": "Paris"}'
    assert reason is FinishReason.TOOL_CALLS


def tool_parser() -> ResponseParser:
    request = ChatRequest(
        model="m", messages=(Message(Role.USER, "hi"),), tools=(Tool("get_weather"),)
    )
    return format_by_name("v3.2", tokenizer()).parser(request)


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=3), max_size=3))
def test_content_is_the_text_before_the_first_stop_string(text: str, stops: list[str]) -> None:
    pipeline = OutputPipeline(tokenizer(), None, tuple(stops))
    events: list[Event] = []
    for token_id in tokenizer().encode(text):
        if pipeline.is_stopped:
            break
        events += pipeline.push(token_id, None)
    events += pipeline.finish(FinishReason.STOP)
    whole = tokenizer().decode(tokenizer().encode(text))
    ends = [whole.find(stop) + len(stop) for stop in stops if stop in whole]
    delivered = joined_content(events)
    if not ends:
        assert delivered == whole
    else:
        assert whole.startswith(delivered)
        assert not any(stop in delivered for stop in stops)
        assert len(delivered) < min(ends)
