"""docs/wire/anthropic.md and docs/wire/responses.md tell the truth: their field tables are the
code's structs, their examples are sent, their events are the streams'."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from tests.api.anthropic import scenarios as anthropic_scenarios
from tests.api.responses import scenarios as responses_scenarios
from tests.api.test_docs import DOCS, TABLES, code
from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, message_of, wire_app
from whalefall.api.anthropic import protocol as anthropic
from whalefall.api.anthropic.collect import stop_reason
from whalefall.api.operations import OPERATIONS
from whalefall.api.responses import protocol as responses
from whalefall.chat.messages import FinishReason

MESSAGES, RESPONSES = "anthropic.md", "responses.md"
STRUCTS: dict[tuple[str, str], type[msgspec.Struct]] = {
    (MESSAGES, "Request"): anthropic.MessagesRequest,
    (MESSAGES, "Message"): anthropic.MessageParam,
    (MESSAGES, "Block of type `text`"): anthropic.TextBlockParam,
    (MESSAGES, "Block of type `thinking`"): anthropic.ThinkingBlockParam,
    (MESSAGES, "Block of type `tool_use`"): anthropic.ToolUseBlockParam,
    (MESSAGES, "Block of type `tool_result`"): anthropic.ToolResultBlockParam,
    (MESSAGES, "Tool"): anthropic.ToolParam,
    (MESSAGES, "Answer"): anthropic.MessageAnswer,
    (MESSAGES, "Usage"): anthropic.MessageUsage,
    (MESSAGES, "Request to count"): anthropic.CountTokensRequest,
    (MESSAGES, "Page"): anthropic.ModelPage,
    (MESSAGES, "Model"): anthropic.ModelCard,
    (RESPONSES, "Request"): responses.ResponsesRequest,
    (RESPONSES, "Format of the text"): responses.TextFormat,
    (RESPONSES, "Function tool"): responses.FunctionToolParam,
    (RESPONSES, "Answer"): responses.ResponseObject,
    (RESPONSES, "Usage"): responses.ResponseUsage,
}
FIELDS = ("Field", "Type", "Range", "Default")
OWN = [table for table in TABLES if table.page in (MESSAGES, RESPONSES)]
EXAMPLES = {
    f"{table.page} {number}": (table.page, *row)
    for table in OWN
    if table.columns == ("Path", "Sent", "Message")
    for number, row in enumerate(table.rows)
}


def test_every_documented_struct_has_its_table() -> None:
    found = {(table.page, table.heading) for table in OWN if table.columns == FIELDS}
    assert found == set(STRUCTS)


@pytest.mark.parametrize("key", STRUCTS, ids=lambda key: f"{key[0]} {key[1]}")
def test_fields_are_those_of_the_struct_in_its_order(key: tuple[str, str]) -> None:
    table = next(one for one in OWN if (one.page, one.heading) == key and one.columns == FIELDS)
    struct = STRUCTS[key]
    tag = struct.__struct_config__.tag_field
    expected = [(tag, True)] if tag else []
    expected += [(field.encode_name, field.required) for field in msgspec.structs.fields(struct)]
    assert [(code(row[0]), row[3] == "required") for row in table.rows] == expected


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example_gets_the_message_it_shows(name: str) -> None:
    page, path, sent, message = EXAMPLES[name]
    base: dict[str, Any] = (
        {"model": "deepseek-chat", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        if page == MESSAGES
        else {"model": "deepseek-chat", "input": "Hi"}
    )
    app = wire_app(ScriptedPlatform(anthropic_scenarios.PLAIN))
    response = await call(app, code(path), {**base, **json.loads(code(sent))})
    if code(message):
        assert response.status_code == 400
        assert message_of(response) == code(message)
    else:
        assert message.startswith("none")
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("page", "name"), [(MESSAGES, "createMessage"), (RESPONSES, "createResponse")]
)
def test_events_are_those_of_the_operation_in_its_order(page: str, name: str) -> None:
    (table,) = (one for one in OWN if one.page == page and one.columns[0] == "Event")
    (operation,) = (one for one in OPERATIONS if one.name == name)
    declared = [event.__struct_config__.tag for event in operation.events]
    assert [code(row[0]) for row in table.rows] == declared


def test_stop_reasons_are_all_listed() -> None:
    (table,) = (one for one in OWN if one.columns[0] == "`stop_reason`")
    reasons = [reason for reason in FinishReason if reason is not FinishReason.ABORT]
    told = {stop_reason(anthropic_scenarios.finished(reason)) for reason in reasons}
    told.add(stop_reason(anthropic_scenarios.finished(stop_sequence="x")))
    assert {code(row[0]) for row in table.rows} == told


def test_kinds_of_items_are_listed_and_the_rest_passed_over() -> None:
    (table,) = (one for one in OWN if one.columns[0] == "`type`")
    listed = set(re.findall("`(.+?)`", " ".join(row[0] for row in table.rows))) - {"role"}
    items = {item["type"] for item in responses_scenarios.ITEMS}
    assert listed == items


@pytest.mark.parametrize("page", [MESSAGES, RESPONSES])
def test_page_is_listed(page: str) -> None:
    assert f"]({page})" in (DOCS / "README.md").read_text("utf-8")
