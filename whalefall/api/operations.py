"""What each endpoint of the wire is, for whoever describes the API: its shapes, the statuses that
can occur, its words and examples. Data only; the routes say on which paths it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from whalefall.api import account
from whalefall.api.anthropic import protocol as anthropic
from whalefall.api.anthropic.routes import CountTokens, ListModels, Messages
from whalefall.api.fim import protocol as fim
from whalefall.api.fim.routes import Completions
from whalefall.api.openai import protocol as openai
from whalefall.api.openai.routes import ChatCompletions
from whalefall.api.operation_examples import EXAMPLES, STREAMS
from whalefall.api.responses import events
from whalefall.api.responses import protocol as responses
from whalefall.api.responses.routes import Responses

_READING = (401, 429, 500, 503)
_POSTING = (400, 401, 408, 413, 415, 429, 500, 503)
_GENERATING = (400, 401, 402, 408, 413, 415, 429, 500, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    handler: type
    name: str
    """Begins the operation id, and finds the example."""
    group: str
    summary: str
    description: str
    answer: type[msgspec.Struct]
    body: type[msgspec.Struct] | None = None
    events: tuple[type[msgspec.Struct], ...] = ()
    """What may come in a stream, for streams of named events."""
    statuses: tuple[int, ...] = _READING
    """Besides 200."""
    path_parameters: dict[str, str] = field(default_factory=dict)

    @property
    def examples(self) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """A request body, if there is one, and its answer."""
        return EXAMPLES[self.name]

    @property
    def stream_example(self) -> str | None:
        """The first events of a stream, for operations that can stream."""
        return STREAMS.get(self.name)


OPERATIONS = (
    Operation(
        handler=ChatCompletions,
        name="createChatCompletion",
        group="Chat",
        summary="Answer a conversation",
        description=(
            "The OpenAI-style endpoint. Below `/beta` the last message may be an assistant's with "
            "`prefix: true`, and `strict` functions are enforced. While a request waits, blank "
            "lines come before the body, or `: keep-alive` comments before the first event."
        ),
        body=openai.ChatCompletionRequest,
        answer=openai.ChatCompletion,
        statuses=_GENERATING,
    ),
    Operation(
        handler=Completions,
        name="createCompletion",
        group="Completions",
        summary="Fill in the middle, or continue a text",
        description="Answers below `/beta` only; elsewhere it says so with status 400.",
        body=fim.CompletionRequest,
        answer=fim.Completion,
        statuses=_GENERATING,
    ),
    Operation(
        handler=Messages,
        name="createMessage",
        group="Anthropic-style",
        summary="Answer a conversation of blocks",
        description=(
            "Takes what the Anthropic SDKs send. Unknown model names are mapped to the default "
            "model. `input_tokens` of the answer counts cache misses only."
        ),
        body=anthropic.MessagesRequest,
        answer=anthropic.MessageAnswer,
        events=(
            anthropic.MessageStart,
            anthropic.ContentBlockStart,
            anthropic.ContentBlockDelta,
            anthropic.ContentBlockStop,
            anthropic.MessageDelta,
            anthropic.MessageStop,
            anthropic.StreamError,
        ),
        statuses=_GENERATING,
    ),
    Operation(
        handler=CountTokens,
        name="countMessageTokens",
        group="Anthropic-style",
        summary="Count the tokens of a conversation",
        description="Exact, and free of charge. Nothing is generated.",
        body=anthropic.CountTokensRequest,
        answer=anthropic.InputTokens,
        statuses=_POSTING,
    ),
    Operation(
        handler=ListModels,
        name="listMessageModels",
        group="Anthropic-style",
        summary="List the models, one page",
        description="All models are on the one page.",
        answer=anthropic.ModelPage,
    ),
    Operation(
        handler=Responses,
        name="createResponse",
        group="Responses",
        summary="Answer the items of a conversation",
        description=(
            "Stateless: nothing is stored, and the whole conversation is sent each time. "
            "Parameters and tools that are not supported are ignored. The stream ends with "
            "`response.completed`, `response.incomplete` or `response.failed`."
        ),
        body=responses.ResponsesRequest,
        answer=responses.ResponseObject,
        events=(
            events.ResponseCreated,
            events.ResponseInProgress,
            events.OutputItemAdded,
            events.ContentPartAdded,
            events.ReasoningTextDelta,
            events.ReasoningTextDone,
            events.OutputTextDelta,
            events.OutputTextDone,
            events.FunctionCallArgumentsDelta,
            events.FunctionCallArgumentsDone,
            events.ContentPartDone,
            events.OutputItemDone,
            events.ResponseCompleted,
            events.ResponseIncomplete,
            events.ResponseFailed,
        ),
        statuses=_GENERATING,
    ),
    Operation(
        handler=account.Models,
        name="listModels",
        group="Account",
        summary="List the models",
        description="The names that `model` may have.",
        answer=openai.ModelList,
    ),
    Operation(
        handler=account.OneModel,
        name="retrieveModel",
        group="Account",
        summary="Look up one model",
        description="An unknown name gets status 400, as everywhere.",
        answer=openai.ModelEntry,
        statuses=(400, *_READING),
        path_parameters={"model": "A model's name."},
    ),
    Operation(
        handler=account.Balance,
        name="getBalance",
        group="Account",
        summary="Show what is left to spend",
        description="Amounts are decimal strings in the wallet's currency, cut to two places.",
        answer=account.UserBalance,
    ),
)
