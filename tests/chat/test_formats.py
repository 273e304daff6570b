"""Prompts as text, mark by mark, and the promises that hold for every format."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat.properties import UNTIMED
from whalefall.chat.formats.registry import FORMAT_NAMES, format_by_name
from whalefall.chat.messages import (
    ChatRequest,
    ContentDelta,
    Message,
    ResponseFormat,
    ResponseFormatKind,
    Role,
    Tool,
    ToolCall,
    ToolCallArguments,
    ToolCallStart,
    ToolChoice,
    ToolChoiceMode,
)
from whalefall.chat.tokenizer import V3_SPECIAL_IDS, Tokenizer

_BOS, _EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
_U, _A = "<｜User｜>", "<｜Assistant｜>"
_TOOL = Tool("look", "Schaut nach: äöü", {"type": "object", "properties": {"b": {}, "a": {}}})
each_format = pytest.mark.parametrize("name", FORMAT_NAMES)


def _user(content: str) -> Message:
    return Message(Role.USER, content)


def _assistant(content: str, reasoning: str | None = None, prefix: bool = False) -> Message:
    return Message(Role.ASSISTANT, content, reasoning_content=reasoning, prefix=prefix)


def _system(content: str) -> Message:
    return Message(Role.SYSTEM, content)


def _request(*messages: Message, thinking: bool = False, **fields: object) -> ChatRequest:
    request = ChatRequest(model="m", messages=messages, thinking=thinking)
    return replace(request, **fields)  # type: ignore[arg-type]


_LOOP = (
    _user("How?"),
    Message(
        Role.ASSISTANT,
        "I look.",
        reasoning_content="Need both.",
        tool_calls=(
            ToolCall("c0", "look", '{"b": "x \\"y\\"", "a": [1, {"z": "ü"}]}'),
            ToolCall("c1", "look", "{}"),
        ),
    ),
    Message(Role.TOOL, "second", tool_call_id="c1"),
    Message(Role.TOOL, "first", tool_call_id="c0"),
)


class _Rendering:
    def __init__(self, tokenizer: Tokenizer, name: str) -> None:
        self._tokenizer = tokenizer
        self._format = format_by_name(name, tokenizer)

    def __call__(self, request: ChatRequest) -> str:
        return self._tokenizer.decode(self._format.render(request))


@pytest.fixture
def v3(tokenizer: Tokenizer) -> _Rendering:
    return _Rendering(tokenizer, "v3")


@pytest.fixture
def v31(tokenizer: Tokenizer) -> _Rendering:
    return _Rendering(tokenizer, "v3.1")


@pytest.fixture
def v32(tokenizer: Tokenizer) -> _Rendering:
    return _Rendering(tokenizer, "v3.2")


class TestV32:
    def test_turns(self, v32: _Rendering) -> None:
        request = _request(_system("Be brief."), _user("Hi"), _assistant("Hello"), _user("Bye"))
        start = f"{_BOS}Be brief.{_U}Hi{_A}</think>Hello{_EOS}{_U}Bye{_A}"
        assert v32(request) == start + "</think>"
        assert v32(replace(request, thinking=True)) == start + "<think>"

    def test_thoughts_of_earlier_turns_are_dropped(self, v32: _Rendering) -> None:
        request = _request(_user("Hi"), _assistant("Hello", "greet"), _user("Bye"), thinking=True)
        assert v32(request) == f"{_BOS}{_U}Hi{_A}</think>Hello{_EOS}{_U}Bye{_A}<think>"

    def test_tool_loop_keeps_thoughts_and_orders_results(self, v32: _Rendering) -> None:
        calls = (
            "\n\n<｜DSML｜function_calls>\n"
            '<｜DSML｜invoke name="look">\n'
            '<｜DSML｜parameter name="b" string="true">x "y"</｜DSML｜parameter>\n'
            '<｜DSML｜parameter name="a" string="false">[1, {"z": "ü"}]</｜DSML｜parameter>\n'
            "</｜DSML｜invoke>\n"
            '<｜DSML｜invoke name="look">\n</｜DSML｜invoke>\n'
            "</｜DSML｜function_calls>"
        )
        results = (
            "\n\n<function_results>\n<result>first</result>\n<result>second</result>\n"
            "</function_results>"
        )
        thinking = _request(*_LOOP, thinking=True)
        assert v32(thinking) == (
            f"{_BOS}{_U}How?{_A}<think>Need both.</think>I look.{calls}{_EOS}{results}\n\n<think>"
        )
        assert v32(replace(thinking, thinking=False)) == (
            f"{_BOS}{_U}How?{_A}</think>I look.{calls}{_EOS}{results}\n\n</think>"
        )
        closed = _request(*_LOOP, _assistant("So.", "Now."), _user("Ok"), thinking=True)
        assert v32(closed) == (
            f"{_BOS}{_U}How?{_A}</think>I look.{calls}{_EOS}{results}\n\n</think>So.{_EOS}"
            f"{_U}Ok{_A}<think>"
        )

    def test_open_loop_without_thoughts_closes_the_think_mark(self, v32: _Rendering) -> None:
        messages = (_LOOP[0], replace(_LOOP[1], reasoning_content="", tool_calls=()))
        text = v32(_request(*messages, thinking=True))
        assert text.startswith(f"{_BOS}{_U}How?{_A}<think></think>I look.{_EOS}")

    def test_two_user_messages_leave_an_empty_closed_opening(self, v32: _Rendering) -> None:
        request = _request(_user("a"), _user("b"), thinking=True)
        assert v32(request) == f"{_BOS}{_U}a{_A}</think>{_U}b{_A}<think>"

    def test_system_messages_anywhere(self, v32: _Rendering) -> None:
        request = _request(_system("1"), _system("2"), _user("a"), _system("3"))
        assert v32(request) == f"{_BOS}1\n\n2{_U}a\n\n3{_A}</think>"
        request = _request(_user("a"), _assistant("b"), _system("3"), _user("c"))
        assert v32(request) == f"{_BOS}{_U}a{_A}</think>b{_EOS}3{_U}c{_A}</think>"

    def test_arguments_that_are_no_object_are_shown_as_they_are(self, v32: _Rendering) -> None:
        for arguments in ("oops", "[1]", "[" * 5000):
            call = Message(Role.ASSISTANT, tool_calls=(ToolCall("c", "look", arguments),))
            element = '<｜DSML｜parameter name="arguments" string="true">'
            assert f"{element}{arguments}</｜DSML｜parameter>" in v32(_request(_user("a"), call))

    def test_tools_stand_behind_the_system_text(self, v32: _Rendering) -> None:
        text = v32(_request(_system("Be brief."), _user("a"), tools=(_TOOL, _TOOL)))
        assert text.startswith(f"{_BOS}Be brief.\n\n## Tools\n")
        line = (
            '{"name": "look", "description": "Schaut nach: äöü", "parameters": '
            '{"type": "object", "properties": {"b": {}, "a": {}}}}'
        )
        assert f"<functions>\n{line}\n{line}\n</functions>{_U}a" in text

    def test_own_tool_section_shows_the_syntax_the_parser_reads(self, v32: _Rendering) -> None:
        text = v32(_request(_user("a"), tools=(_TOOL,)))
        begin = text.index("<｜DSML｜function_calls>")
        end = text.index("</｜DSML｜function_calls>") + len("</｜DSML｜function_calls>")
        parser = format_by_name("v3.2", v32._tokenizer).parser(_request(tools=(_TOOL,)))
        deltas = parser.push(text[begin:end])
        assert isinstance(deltas[0], ToolCallStart)
        assert deltas[0].name == "FUNCTION"
        assert parser.is_complete


class TestV31:
    def test_turns(self, v31: _Rendering) -> None:
        request = _request(_user("Hi"), _assistant("Hello", "greet"), _system("Be."), _user("Bye"))
        start = f"{_BOS}Be.{_U}Hi{_A}</think>Hello{_EOS}{_U}Bye{_A}"
        assert v31(request) == start + "</think>"
        assert v31(replace(request, thinking=True)) == start + "<think>"

    def test_tool_loop_goes_on_behind_the_results(self, v31: _Rendering) -> None:
        loop = (
            f"{_BOS}{_U}How?{_A}</think>I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look"
            '<｜tool▁sep｜>{"b": "x \\"y\\"", "a": [1, {"z": "ü"}]}<｜tool▁call▁end｜>'
            "<｜tool▁call▁begin｜>look<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
            f"{_EOS}<｜tool▁output▁begin｜>first<｜tool▁output▁end｜>"
            "<｜tool▁output▁begin｜>second<｜tool▁output▁end｜>"
        )
        assert v31(_request(*_LOOP)) == loop
        assert v31(_request(*_LOOP, thinking=True)) == loop
        assert v31(_request(*_LOOP, _assistant("So."), _user("Ok"))) == (
            f"{loop}So.{_EOS}{_U}Ok{_A}</think>"
        )


class TestV3:
    def test_thinking_is_started_as_r1_starts_it(self, v3: _Rendering) -> None:
        assert v3(_request(_user("Hi"), thinking=True)) == f"{_BOS}{_U}Hi{_A}<think>\n"

    def test_tool_loop_goes_on_behind_the_results(self, v3: _Rendering) -> None:
        assert v3(_request(*_LOOP)) == (
            f"{_BOS}{_U}How?{_A}I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function"
            '<｜tool▁sep｜>look\n```json\n{"b": "x \\"y\\"", "a": [1, {"z": "ü"}]}\n```'
            "<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n{}\n```"
            f"<｜tool▁call▁end｜><｜tool▁calls▁end｜>{_EOS}<｜tool▁outputs▁begin｜>"
            "<｜tool▁output▁begin｜>first<｜tool▁output▁end｜>\n"
            "<｜tool▁output▁begin｜>second<｜tool▁output▁end｜><｜tool▁outputs▁end｜>"
        )


_PREFIX_ENDS = {
    "v3": (f"{_A}So", f"{_A}<think>So", f"{_A}<think>r</think>So", f"{_A}<think>r"),
    "v3.1": (f"{_A}</think>So", f"{_A}<think>So", f"{_A}<think>r</think>So", f"{_A}<think>r"),
    "v3.2": (f"{_A}</think>So", f"{_A}<think>So", f"{_A}<think>r</think>So", f"{_A}<think>r"),
}


@each_format
def test_continued_message_stays_open(tokenizer: Tokenizer, name: str) -> None:
    render = _Rendering(tokenizer, name)
    chat_format = format_by_name(name, tokenizer)
    plain = _request(_user("Hi"), _assistant("So", prefix=True))
    thinking = replace(plain, thinking=True)
    reasoned = _request(_user("Hi"), _assistant("So", "r", prefix=True), thinking=True)
    thoughts = _request(_user("Hi"), _assistant("", "r", prefix=True), thinking=True)
    requests = (plain, thinking, reasoned, thoughts)
    for request, end in zip(requests, _PREFIX_ENDS[name], strict=True):
        assert render(request) == f"{_BOS}{_U}Hi{end}"
    starts = [chat_format.starts_in_reasoning(request) for request in requests]
    assert starts == [False, True, False, True]


@each_format
def test_choice_none_costs_nothing_and_disables_calls(tokenizer: Tokenizer, name: str) -> None:
    chat_format = format_by_name(name, tokenizer)
    without = _request(_user("Hi"))
    none = replace(without, tools=(_TOOL,), tool_choice=ToolChoice(ToolChoiceMode.NONE))
    assert chat_format.render(none) == chat_format.render(without)
    text = '<｜DSML｜invoke name="look"></｜DSML｜invoke><｜tool▁calls▁begin｜>'
    assert chat_format.parser(none).push(text) == [ContentDelta(text)]


@each_format
def test_forced_choice_adds_a_short_instruction(tokenizer: Tokenizer, name: str) -> None:
    chat_format = format_by_name(name, tokenizer)
    auto = _request(_user("Hi"), tools=(_TOOL,))
    named = replace(auto, tool_choice=ToolChoice(ToolChoiceMode.NAMED, "look"))
    required = replace(auto, tool_choice=ToolChoice(ToolChoiceMode.REQUIRED))
    costs = [len(chat_format.render(each)) for each in (auto, required, named)]
    assert costs[0] < costs[1] < costs[0] + 12
    assert costs[0] < costs[2] < costs[0] + 12
    assert "call the function look now" in tokenizer.decode(chat_format.render(named))


@each_format
def test_response_schema_is_shown_and_json_mode_is_not(tokenizer: Tokenizer, name: str) -> None:
    render = _Rendering(tokenizer, name)
    plain = _request(_user("Hi"))
    json_mode = replace(plain, response_format=ResponseFormat(ResponseFormatKind.JSON_OBJECT))
    assert render(json_mode) == render(plain)
    schema = ResponseFormat(ResponseFormatKind.JSON_SCHEMA, {"type": "object", "x": "é"})
    text = render(replace(plain, response_format=schema))
    assert "\n\n## Response Format\n" in text
    assert '{"type": "object", "x": "é"}' in text.split(_U)[0]


@each_format
def test_user_names_are_told(tokenizer: Tokenizer, name: str) -> None:
    text = _Rendering(tokenizer, name)(_request(Message(Role.USER, "Hi", name="Ada")))
    assert f"{_U}Ada: Hi{_A}" in text


@each_format
def test_odd_conversations_render_and_agree_with_their_parser(
    tokenizer: Tokenizer, name: str
) -> None:
    """The parser starts among the thoughts exactly when the prompt ends in an open think mark,
    after tool results too."""
    render = _Rendering(tokenizer, name)
    chat_format = format_by_name(name, tokenizer)
    for messages in (
        (),
        (_system("s"),),
        (_assistant("a"),),
        (_assistant("a"), _assistant("b")),
        _LOOP,
        (Message(Role.TOOL, "r", tool_call_id="x"),),
        (*_LOOP, _user("stop")),
        (*_LOOP, _system("s")),
    ):
        for thinking in (False, True):
            text = render(_request(*messages, thinking=thinking))
            assert text.startswith(_BOS)
            assert text.count(_BOS) == 1
            is_open = text.rstrip().endswith("<think>")
            assert (
                chat_format.parser(_request(*messages, thinking=thinking)).in_reasoning == is_open
            )


@each_format
def test_longer_conversation_begins_with_the_shorter_one(tokenizer: Tokenizer, name: str) -> None:
    """The prefix cache lives on it: what was prompt and answer is the next prompt's beginning."""
    chat_format = format_by_name(name, tokenizer)
    first = _request(_system("s"), _user("Hi"), tools=(_TOOL,))
    prompt = chat_format.render(first)
    answer = [*tokenizer.encode("Hello."), tokenizer.special_id(_EOS)]
    messages = (*first.messages, _assistant("Hello."), _user("Bye"))
    again = chat_format.render(replace(first, messages=messages))
    assert again[: len(prompt) + len(answer)] == prompt + answer


@each_format
def test_prompt_does_not_depend_on_how_the_schema_was_built(
    tokenizer: Tokenizer, name: str
) -> None:
    chat_format = format_by_name(name, tokenizer)
    source = '{"type": "object", "properties": {"z": {"type": "string"}, "a": {"enum": ["ß"]}}}'
    renderings = {
        tuple(chat_format.render(_request(_user("Hi"), tools=(Tool("f", None, json.loads(text)),))))
        for text in (source, source.replace(" ", ""))
    }
    assert len(renderings) == 1


_MARKS = [*sorted(V3_SPECIAL_IDS)[-30:], "｜DSML｜", "<｜DSML｜", "</result>"]
_HOSTILE = st.lists(
    st.one_of(st.sampled_from(_MARKS), st.text(max_size=8)),
    max_size=6,
).map("".join)  # fmt: skip


@st.composite
def _hostile_requests(draw: st.DrawFn) -> ChatRequest:
    """Requests with special tokens spelled wherever a caller can write."""
    name, text = draw(_HOSTILE), draw(_HOSTILE)
    key, value, description = draw(_HOSTILE), draw(_HOSTILE), draw(_HOSTILE)
    arguments = draw(st.sampled_from([json.dumps({key: value, "n": [value]}), value]))
    tool = Tool(
        name or "f", description, {"type": "object", "properties": {key: {"enum": [value]}}}
    )
    messages = (
        _system(text),
        Message(Role.USER, value, name=name or None),
        Message(
            Role.ASSISTANT,
            text,
            reasoning_content=description,
            tool_calls=(ToolCall("c", name, arguments),),
        ),
        Message(Role.TOOL, description, tool_call_id="c"),
        _assistant(value, text, prefix=draw(st.booleans())),
    )
    return _request(
        *messages, thinking=draw(st.booleans()), tools=(tool,),
        response_format=ResponseFormat(ResponseFormatKind.JSON_SCHEMA, {key: value}),
        tool_choice=ToolChoice(ToolChoiceMode.NAMED, name or "f"),
    )  # fmt: skip


def _harmless(request: ChatRequest) -> ChatRequest:
    """The same request with every text of the caller replaced by a plain one."""
    messages = tuple(
        replace(
            m,
            content="x" if m.content else "",
            name=None,
            reasoning_content="x" if m.reasoning_content else m.reasoning_content,
            tool_calls=tuple(ToolCall(c.id, "f", "{}") for c in m.tool_calls),
        )
        for m in request.messages
    )
    return replace(
        request, messages=messages, tools=(Tool("f", "x", {}),),
        response_format=ResponseFormat(ResponseFormatKind.JSON_SCHEMA, {}),
        tool_choice=ToolChoice(ToolChoiceMode.NAMED, "f"),
    )  # fmt: skip


@settings(UNTIMED, max_examples=100)
@given(_hostile_requests(), st.sampled_from(FORMAT_NAMES))
def test_no_text_of_a_caller_becomes_a_mark(
    tokenizer: Tokenizer, request: ChatRequest, name: str
) -> None:
    """Whatever is typed, the prompt has the marks of its structure and no others."""
    chat_format = format_by_name(name, tokenizer)

    def marks(each: ChatRequest) -> list[int]:
        return [i for i in chat_format.render(each) if tokenizer.is_special(i)]

    assert marks(request) == marks(_harmless(request))


@each_format
def test_parser_reads_back_what_the_renderer_wrote(tokenizer: Tokenizer, name: str) -> None:
    """A call in the history is written as the model writes it, so the parser understands it."""
    chat_format = format_by_name(name, tokenizer)
    request = _request(*_LOOP[:2], tools=(_TOOL,))
    text = tokenizer.decode(chat_format.render(request))
    reply = text[text.index("I look.", text.index("How?")) :].split(_EOS)[0]
    deltas = chat_format.parser(request).push(reply)
    starts = [d.name for d in deltas if isinstance(d, ToolCallStart)]
    arguments = ["", ""]
    for delta in deltas:
        if isinstance(delta, ToolCallArguments):
            arguments[delta.index] += delta.fragment
    assert starts == ["look", "look"]
    assert arguments == [call.arguments for call in _LOOP[1].tool_calls]


def test_unknown_format_names_the_known_ones(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"v3\.1, v3\.2"):
        format_by_name("v4", tokenizer)
