"""docs/wire tells the truth: its field tables are the code's structs, its examples are sent, its
references exist."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, chat_body, message_of, wire_app
from whalefall.api import account, errors
from whalefall.api.fim import protocol as fim
from whalefall.api.openai import protocol as openai
from whalefall.base import errors as base_errors
from whalefall.base.errors import PlatformError
from whalefall.chat.messages import ContentDelta, Finished, FinishReason, Usage

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "wire"
SCRIPT = (ContentDelta("x"), Finished(FinishReason.STOP, Usage(3, 1, 0)))
CHAT, FIM = "chat.md", "completions.md"
STRUCTS: dict[tuple[str, str], type[msgspec.Struct]] = {
    (CHAT, "Request"): openai.ChatCompletionRequest,
    (CHAT, "Message of role `system`"): openai.SystemMessage,
    (CHAT, "Message of role `user`"): openai.UserMessage,
    (CHAT, "Message of role `assistant`"): openai.AssistantMessage,
    (CHAT, "Message of role `tool`"): openai.ToolMessage,
    (CHAT, "Tool"): openai.Tool,
    (CHAT, "Function of a tool"): openai.FunctionDefinition,
    (CHAT, "Answer"): openai.ChatCompletion,
    (CHAT, "Message of the answer"): openai.CompletionMessage,
    (CHAT, "Usage"): openai.CompletionUsage,
    (FIM, "Request"): fim.CompletionRequest,
    (FIM, "Answer"): fim.Completion,
    (FIM, "Log probabilities"): fim.LegacyLogprobs,
    ("models.md", "Answer"): openai.ModelList,
    ("models.md", "Entry"): openai.ModelEntry,
    ("balance.md", "Answer"): account.UserBalance,
    ("balance.md", "Wallet"): account.BalanceInfo,
}


@dataclass(frozen=True)
class Table:
    page: str
    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(page: Path) -> Iterator[Table]:
    heading = ""
    for block in re.split(r"\n(?=#)|\n\n", page.read_text("utf-8")):
        found = re.match(r"#+ (.*)", block)
        if found:
            heading = found[1]
        lines = [line for line in block.splitlines() if line.startswith("|")]
        if lines:
            cells = [tuple(cell.strip() for cell in line[1:-1].split("|")) for line in lines]
            yield Table(page.name, heading, cells[0], tuple(cells[2:]))


def code(cell: str) -> str:
    """What a code span holds; "" for an empty cell. A space before the closing ticks is part of
    the notation when the text itself ends in a tick."""
    found = re.fullmatch(r"(`+)(.*?)( ?)\1", cell)
    return found[2] if found else ""


TABLES = [table for page in sorted(DOCS.glob("*.md")) for table in tables(page)]
FIELD_TABLES = [table for table in TABLES if table.columns == ("Field", "Type", "Range", "Default")]
EXAMPLES = {
    f"{table.page} {number}": (table.page, *row)
    for table in TABLES
    if table.columns in (("Path", "Changed fields", "Message"), ("Path", "Body", "Message"))
    for number, row in enumerate(table.rows)
}


def test_every_documented_struct_has_its_table() -> None:
    own = [table for table in FIELD_TABLES if table.page in {page for page, _ in STRUCTS}]
    assert {(table.page, table.heading) for table in own} == set(STRUCTS)


@pytest.mark.parametrize("key", STRUCTS, ids=lambda key: f"{key[0]} {key[1]}")
def test_fields_are_those_of_the_struct_in_its_order(key: tuple[str, str]) -> None:
    table = next(one for one in FIELD_TABLES if (one.page, one.heading) == key)
    struct = STRUCTS[key]
    tag = struct.__struct_config__.tag_field
    expected = [(tag, True)] if tag else []
    expected += [(field.encode_name, field.required) for field in msgspec.structs.fields(struct)]
    assert [(code(row[0]), row[3] == "required") for row in table.rows] == expected


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example_gets_the_message_it_shows(name: str) -> None:
    page, path, sent, message = EXAMPLES[name]
    app = wire_app(ScriptedPlatform(SCRIPT))
    response = await call(app, code(path), body_of(page, code(sent)))
    if code(message):
        assert response.status_code == 400
        assert message_of(response) == code(message)
    else:
        assert message.startswith("none")
        assert response.status_code == 200


def body_of(page: str, sent: str) -> object:
    if page == "errors.md":
        return sent.encode()
    base: dict[str, Any] = chat_body()
    if page == FIM:
        base = {"model": "deepseek-chat", "prompt": "def f("}
    return {**base, **json.loads(sent)}


async def test_header_examples_get_the_message_they_show() -> None:
    table = next(one for one in TABLES if one.columns[0] == "Header")
    for header, message in table.rows:
        headers = {"authorization": code(header)}
        response = await call(wire_app(ScriptedPlatform()), "/models", headers=headers)
        assert response.status_code == 401
        assert message_of(response) == code(message)


def test_statuses_are_those_of_the_error_trees() -> None:
    table = next(one for one in TABLES if one.columns[:2] == ("Status", "`type`"))
    documented = {int(row[0]): (code(row[1]), code(row[2])) for row in table.rows}
    classes = [
        one
        for module in (base_errors, errors)
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, PlatformError) and one is not PlatformError
    ]
    expected = {
        one.status: ("", "") if one.status in (404, 405) else (one.type, one.code)
        for one in classes
    }
    assert documented == expected


# --- behaviours -----------------------------------------------------------------------------------


def behaviours() -> Iterator[tuple[str, str]]:
    for table in TABLES:
        if table.page == "behaviours.md" and table.columns[-1] == "Shown by":
            for row in table.rows:
                yield row[0], row[-1]


def functions_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_all_sixty_behaviours_are_listed() -> None:
    numbers = [int(number) for number, _ in behaviours() if number.isdigit()]
    assert numbers == list(range(1, 61))


@pytest.mark.parametrize("behaviour", list(behaviours()), ids=lambda one: one[0])
def test_behaviour_names_a_test_that_exists_or_says_why_none(behaviour: tuple[str, str]) -> None:
    references = re.findall(r"`(tests/[\w/.]+)::(\w+)`", behaviour[1])
    assert references or behaviour[1].startswith("—"), "a test, or — and a reason"
    for path, name in references:
        assert name in functions_in(ROOT / path)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
