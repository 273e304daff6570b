"""Stream events of POST /responses, field by field, in wire order. Each struct's tag is the event's
name; `sequence_number` counts from zero."""

from __future__ import annotations

import msgspec

from whalefall.api.responses.protocol import (
    OutputItem,
    OutputText,
    ReasoningText,
    ResponseObject,
)


class ResponseCreated(msgspec.Struct, frozen=True, tag_field="type", tag="response.created"):
    sequence_number: int
    response: ResponseObject


class ResponseInProgress(msgspec.Struct, frozen=True, tag_field="type", tag="response.in_progress"):
    sequence_number: int
    response: ResponseObject


class ResponseCompleted(msgspec.Struct, frozen=True, tag_field="type", tag="response.completed"):
    sequence_number: int
    response: ResponseObject


class ResponseIncomplete(msgspec.Struct, frozen=True, tag_field="type", tag="response.incomplete"):
    sequence_number: int
    response: ResponseObject


class ResponseFailed(msgspec.Struct, frozen=True, tag_field="type", tag="response.failed"):
    sequence_number: int
    response: ResponseObject


class OutputItemAdded(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.output_item.added"
):
    sequence_number: int
    output_index: int
    item: OutputItem


class OutputItemDone(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.output_item.done"
):
    sequence_number: int
    output_index: int
    item: OutputItem


class ContentPartAdded(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.content_part.added"
):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: OutputText | ReasoningText


class ContentPartDone(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.content_part.done"
):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: OutputText | ReasoningText


class OutputTextDelta(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.output_text.delta"
):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str
    logprobs: tuple[()] = ()


class OutputTextDone(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.output_text.done"
):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str
    logprobs: tuple[()] = ()


class ReasoningTextDelta(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.reasoning_text.delta"
):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ReasoningTextDone(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.reasoning_text.done"
):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str


class FunctionCallArgumentsDelta(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.function_call_arguments.delta"
):
    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class FunctionCallArgumentsDone(
    msgspec.Struct, frozen=True, tag_field="type", tag="response.function_call_arguments.done"
):
    sequence_number: int
    item_id: str
    output_index: int
    name: str
    arguments: str
