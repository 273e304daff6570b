"""Bodies the real parser refuses, told in its words. The texts marked `sha` in the collected
material were verified there byte by byte against recorded answers of the real API."""

from __future__ import annotations

import json

import pytest

from whalefall.api.errors import UnparsableBodyError
from whalefall.api.openai.protocol import ChatCompletionRequest, UserMessage
from whalefall.api.serde import DATA_LEAD, SYNTAX_LEAD, decode, decode_fast, decode_slow
from whalefall.base.errors import MalformedBodyError

OK = b'"messages":[{"role":"user","content":"Hi"}],"model":"m"'


def complaint(body: bytes) -> str:
    with pytest.raises(MalformedBodyError) as caught:
        decode(body, ChatCompletionRequest)
    message = caught.value.message
    is_syntax = isinstance(caught.value, UnparsableBodyError)
    assert message.startswith(SYNTAX_LEAD if is_syntax else DATA_LEAD)
    return message.removeprefix(SYNTAX_LEAD if is_syntax else DATA_LEAD)


def field(text: str) -> bytes:
    """A good body with one more field."""
    return b"{" + OK + b"," + text.encode() + b"}"


def message(text: str) -> bytes:
    return b'{"messages":[' + text.encode() + b'],"model":"m"}'


# --- verified byte by byte -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (
            b"",
            "Failed to parse the request body as JSON: EOF while parsing a value at line 1 "
            "column 0",
        ),
        (
            b'{"model":',
            "Failed to parse the request body as JSON: model: EOF while parsing a value at line 1 "
            "column 9",
        ),
        (
            b"{}",
            "Failed to deserialize the JSON body into the target type: missing field `messages` "
            "at line 1 column 2",
        ),
        (
            b'{"model":"deepseek-v4-flash","messages":{}}',
            "Failed to deserialize the JSON body into the target type: messages: invalid type: "
            "map, expected a sequence at line 1 column 40",
        ),
        (
            b'{"model":"deepseek-v4-flash","messages":[{"role":"developer","content":"x"}]}',
            "Failed to deserialize the JSON body into the target type: messages[0].role: unknown "
            "variant `developer`, expected one of `system`, `user`, `assistant`, `tool` at line 1 "
            "column 60",
        ),
    ],
)
def test_verified_texts_are_exact(body: bytes, whole: str) -> None:
    with pytest.raises(MalformedBodyError) as caught:
        decode(body, ChatCompletionRequest)
    assert caught.value.message == whole


def test_bad_role_far_into_a_conversation_has_its_index_and_column() -> None:
    users = ",".join('{"role":"user","content":"%s"}' % ("x" * 1000) for _ in range(3))
    head = '{"messages":[' + users + ',{"role":"Tool"'
    assert complaint((head + ',"content":""}],"model":"m"}').encode()) == (
        "messages[3].role: unknown variant `Tool`, expected one of `system`, `user`, "
        f"`assistant`, `tool` at line 1 column {len(head)}"
    )


def test_half_an_emoji_far_into_a_conversation_is_a_syntax_error() -> None:
    users = '{"role":"user","content":"x"},' * 158
    head = '{"messages":[' + users + r'{"role":"user","content":"\ud83d"'
    assert complaint((head + '}],"model":"m"}').encode()) == (
        f"messages[158].content: unexpected end of hex escape at line 1 column {len(head)}"
    )


# --- quoted by users; the positions follow from the parser ----------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            message('{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}'),
            "messages[0]: unknown variant `image_url`, expected `text`",
        ),
        (
            message('{"role":"user","content":5}'),
            "messages[0]: data did not match any variant of untagged enum "
            "ChatCompletionRequestContent",
        ),
        (
            message('{"role":"user","content":"","name":[]}'),
            "messages[0]: invalid type: sequence, expected a string",
        ),
        (
            message(
                '{"role":"assistant","tool_calls":[{"id":"a","type":"function",'
                '"function":{"name":"f"}}]}'
            ),
            "messages[0]: missing field `arguments`",
        ),
        (message('{"role":"user"}'), "messages[0]: missing field `content`"),
        (message('{"content":""}'), "messages[0]: missing field `role`"),
        (message('{"role":"tool","content":""}'), "messages[0]: missing field `tool_call_id`"),
    ],
)
def test_message_errors_stand_at_the_end_of_the_message(body: bytes, text: str) -> None:
    column = len(body) - len(b'],"model":"m"}')
    assert complaint(body) == f"{text} at line 1 column {column}"


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ('"tools":[{"type":"function"}', "tools[0]: missing field `function`"),
        ('"tools":[{"type":"custom"}', "tools[0]: unknown variant `custom`, expected `function`"),
        ('"tools":[{"function":{}}', "tools[0]: missing field `name`"),
        ('"tools":[{"function":{"name":"f"}}', "tools[0]: missing field `type`"),
        (
            '"tools":[{"type":5,"function":{"name":"f"}}',
            "tools[0]: invalid type: integer `5`, expected string or map",
        ),
    ],
)
def test_tool_errors_stand_at_the_end_of_the_tool(extra: str, text: str) -> None:
    body = field(extra + "]")
    assert complaint(body) == f"{text} at line 1 column {len(body) - 2}"


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ('"top_logprobs":-1', "top_logprobs: invalid value: integer `-1`, expected u8"),
        ('"top_logprobs":256', "top_logprobs: invalid value: integer `256`, expected u8"),
        ('"max_tokens":-1', "max_tokens: invalid value: integer `-1`, expected u32"),
        ('"max_tokens":""', 'max_tokens: invalid type: string "", expected u32'),
        ('"max_tokens":1.5', "max_tokens: invalid type: floating point `1.5`, expected u32"),
        ('"max_tokens":10.0', "max_tokens: invalid type: floating point `10.0`, expected u32"),
        (
            '"max_tokens":99999999999999999999',
            "max_tokens: invalid type: floating point `1e20`, expected u32",
        ),
        ('"temperature":"hot"', 'temperature: invalid type: string "hot", expected f32'),
        ('"temperature":true', "temperature: invalid type: boolean `true`, expected f32"),
        ('"stream":1', "stream: invalid type: integer `1`, expected a boolean"),
        ('"stream":"a\\"\\n\\u0001é"', 'stream: invalid type: string "a\\"\\n\\u{1}é", expected'),
        ('"stop":5', "stop: data did not match any variant of untagged enum Stop"),
        ('"stop":["a",5]', "stop: data did not match any variant of untagged enum Stop"),
        (
            '"tool_choice":"any"',
            "tool_choice: expected one of `none`, `auto`, `required` or a tool",
        ),
        ('"tool_choice":{}', "tool_choice: expected one of `none`, `auto`, `required` or a tool"),
        (
            '"thinking":{"type":"on"',
            "thinking.type: unknown variant `on`, expected `enabled` or `disabled`",
        ),
        (
            '"response_format":{"type":"xml"',
            "response_format.type: unknown variant `xml`, expected one of `text`, `json_object`, "
            "`json_schema`",
        ),
    ],
)
def test_scalar_errors_stand_behind_the_scalar(extra: str, text: str) -> None:
    body = field(extra + "}" * (extra.count("{") - extra.count("}")))
    column = len(b"{" + OK + b"," + extra.encode())
    found = complaint(body)
    assert found.startswith(text)
    assert found.endswith(f" at line 1 column {column}")


@pytest.mark.parametrize("value", ["{}", "[]"])
def test_container_errors_stand_before_the_bracket(value: str) -> None:
    word = {"{}": "map", "[]": "sequence"}[value]
    body = field(f'"user_id":{value}')
    assert complaint(body) == (
        f"user_id: invalid type: {word}, expected a string at line 1 column {len(body) - 3}"
    )


def test_duplicate_field_is_found_where_its_name_ends() -> None:
    body = field('"model":"again"')
    column = len(body) - len(':"again"}')
    assert complaint(body) == f"duplicate field `model` at line 1 column {column}"


def test_duplicate_field_inside_a_message_is_found() -> None:
    body = message('{"role":"user","content":"a","content":"b"}')
    assert complaint(body).startswith("messages[0]: duplicate field `content` at")


def test_duplicate_role_is_found() -> None:
    body = message('{"role":"user","role":"user","content":"b"}')
    assert complaint(body).startswith("messages[0]: duplicate field `role` at")


def test_duplicates_where_nobody_looks_are_fine() -> None:
    body = field('"unknown":{"a":1,"a":2},"seed":{"b":1,"b":1}')
    assert decode(body, ChatCompletionRequest).model == "m"


def test_lines_are_counted() -> None:
    assert complaint(b'{\n  "messages": [],\n  "model": 5\n}') == (
        "model: invalid type: integer `5`, expected a string at line 3 column 12"
    )


def test_first_error_in_the_body_is_told() -> None:
    assert complaint(b'{"model":5,"messages":6}').startswith("model: ")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[]", "invalid type: sequence, expected struct ChatCompletionRequest at line 1 column 0"),
        (b"5", "invalid type: integer `5`, expected struct ChatCompletionRequest at line 1 col"),
        (b"null", "invalid type: null, expected struct ChatCompletionRequest at line 1 column 4"),
        (message('"hi"'), 'messages[0]: invalid type: string "hi", expected internally tagged'),
        (
            message('{"role":5,"content":""}'),
            "messages[0].role: invalid type: integer `5`, expected variant identifier at line 1 "
            "column 22",
        ),
        (message('{"role":"user","content":null}'), "messages[0]: data did not match any variant"),
    ],
)
def test_other_type_errors(body: bytes, text: str) -> None:
    assert complaint(body).startswith(text)


# --- not JSON -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"   ", "EOF while parsing a value at line 1 column 3"),
        (b"\n\n", "EOF while parsing a value at line 3 column 0"),
        (b"{", "EOF while parsing an object at line 1 column 1"),
        (b'{"a"', "a: EOF while parsing an object at line 1 column 4"),
        (b'{"a":1', "EOF while parsing an object at line 1 column 6"),
        (b'{"a":1,', "EOF while parsing a value at line 1 column 7"),
        (b'{"a":[', "a: EOF while parsing a list at line 1 column 6"),
        (b'{"a":[1', "a: EOF while parsing a list at line 1 column 7"),
        (b'{"a":[1,', "a: EOF while parsing a value at line 1 column 8"),
        (b'{"a":"b', "a: EOF while parsing a string at line 1 column 7"),
        (b'{"a":"\\', "a: EOF while parsing a string at line 1 column 7"),
        (b'{"a":"\\u12', "a: EOF while parsing a string at line 1 column 10"),
        (b'{"a":t', "a: EOF while parsing a value at line 1 column 6"),
        (b'{"a":-', "a: EOF while parsing a value at line 1 column 6"),
        (b'{"a":1.', "a: EOF while parsing a value at line 1 column 7"),
        (b'{"a":1e', "a: EOF while parsing a value at line 1 column 7"),
        (b"{} x", "trailing characters at line 1 column 4"),
        (b"hello", "expected value at line 1 column 1"),
        (b"\xef\xbb\xbf{}", "expected value at line 1 column 1"),
        (b'{"a":nil}', "a: expected ident at line 1 column 7"),
        (b'{"a" 1}', "a: expected `:` at line 1 column 6"),
        (b'{"a":1 "b"}', "expected `,` or `}` at line 1 column 8"),
        (b'{"a":1,}', "trailing comma at line 1 column 8"),
        (b'{"a":[1,]}', "a: trailing comma at line 1 column 9"),
        (b'{"a":[1 2]}', "a: expected `,` or `]` at line 1 column 9"),
        (b'{"a":{"b":{,}}}', "a.b.?: key must be a string at line 1 column 12"),
        (b"{a:1}", "key must be a string at line 1 column 2"),
        (b"{'a':1}", "key must be a string at line 1 column 2"),
        (b'{"a":01}', "a: invalid number at line 1 column 7"),
        (b'{"a":-x}', "a: invalid number at line 1 column 7"),
        (b'{"a":1.x}', "a: invalid number at line 1 column 8"),
        (b'{"a":1ex}', "a: invalid number at line 1 column 8"),
        (b'{"a":+1}', "a: expected value at line 1 column 6"),
        (b'{"a":.5}', "a: expected value at line 1 column 6"),
        (b'{"a":NaN}', "a: expected value at line 1 column 6"),
        (b'{"a":-Infinity}', "a: invalid number at line 1 column 7"),
        (b'{"a":1e999}', "a: number out of range at line 1 column 10"),
        (b'{"a":"\\x"}', "a: invalid escape at line 1 column 8"),
        (b'{"a":"\\uZZZZ"}', "a: invalid escape at line 1 column 12"),
        (b'{"a":"\\ud83d\\n"}', "a: unexpected end of hex escape at line 1 column 14"),
        (b'{"a":"\\udc00"}', "a: lone leading surrogate in hex escape at line 1 column 12"),
        (b'{"a":"\\ud83d\\ud83d"}', "a: lone leading surrogate in hex escape at line 1 column 18"),
        (
            b'{"a":"x\ny"}',
            "a: control character (\\u0000-\\u001F) found while parsing a string at line 2 "
            "column 0",
        ),
        (b'{"a":"\xff"}', "a: invalid unicode code point at line 1 column 8"),
        (b'{"a":["x",{"b":\x00}]}', "a[1].b: expected value at line 1 column 16"),
    ],
)
def test_syntax_errors_are_serde_jsons(body: bytes, text: str) -> None:
    with pytest.raises(UnparsableBodyError) as caught:
        decode_slow(body, ChatCompletionRequest)
    assert caught.value.message == SYNTAX_LEAD + text


def test_value_that_cannot_start_an_enum_counts_as_syntax() -> None:
    body = field('"thinking":{"type":5}')
    with pytest.raises(UnparsableBodyError, match=r"thinking\.type: expected value at line 1"):
        decode(body, ChatCompletionRequest)


@pytest.mark.parametrize(("depth", "is_refused"), [(126, False), (127, True), (5000, True)])
def test_nesting_is_limited_everywhere(depth: int, *, is_refused: bool) -> None:
    body = field('"unknown":' + "[" * depth + "]" * depth)
    if is_refused:
        with pytest.raises(UnparsableBodyError, match="recursion limit exceeded at line 1"):
            decode(body, ChatCompletionRequest)
    else:
        assert decode(body, ChatCompletionRequest).model == "m"


def test_brackets_in_strings_are_not_nesting() -> None:
    text = json.dumps("[{" * 500 + '\\"' + "\\")
    body = message('{"role":"user","content":' + text + "}")
    assert decode_fast(body, ChatCompletionRequest) is not None


def test_body_of_too_many_values_to_walk_gets_a_shorter_text() -> None:
    body = field('"stop":[' + "0," * 100_001 + "0]")
    with pytest.raises(MalformedBodyError, match="Expected `str`, got `int`"):
        decode(body, ChatCompletionRequest)


def test_slow_road_accepts_what_the_fast_one_would() -> None:
    body = field('"stop":["a"],"tools":[{"type":"function","function":{"name":"f"}}]')
    fast = decode_fast(body, ChatCompletionRequest)
    assert fast is not None
    assert fast == decode_slow(body, ChatCompletionRequest)


def test_null_is_accepted_for_every_optional_field() -> None:
    nulls = dict.fromkeys(
        name
        for name in ChatCompletionRequest.__struct_fields__
        if name not in ("messages", "model")
    )
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "model": "m", **nulls})
    decoded = decode(body.encode(), ChatCompletionRequest)
    assert decoded == ChatCompletionRequest([UserMessage("Hi")], "m")
