"""The chat page: stored conversations with the served models, paid from the user's balance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response, StreamingResponse

from whalefall.accounts.api_keys import APIKey, Caller, create_api_key, list_api_keys
from whalefall.accounts.conversations import (
    SEARCH_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    Conversation,
    SaidMessage,
    Words,
    delete_conversation,
    get_conversation,
    list_conversations,
    messages_of,
    rename_conversation,
    say,
    start_conversation,
    take_back_answer,
)
from whalefall.accounts.profiles import get_profile, set_profile
from whalefall.accounts.users import User
from whalefall.base.errors import NotFoundError
from whalefall.billing.ledger import Balance
from whalefall.chat.messages import ChatRequest, Message, Role
from whalefall.console.chat_turn import Answer, ChatTurn, TurnSettings
from whalefall.console.forms import RefusedError
from whalefall.console.language import mark
from whalefall.console.pages.usage import shown_balances
from whalefall.console.rendering import amount
from whalefall.console.routing import Action, View, told
from whalefall.console.session import Visit
from whalefall.serving.platform import Base

CONSOLE_KEY_NAME = "Console chat"
NUM_TURNS_MAX = 4
"""Answers one person may have running at once."""
Id = Annotated[str, msgspec.Meta(max_length=64)]


class ChatQuery(msgspec.Struct, frozen=True):
    conversation_id: Id = ""
    q: Annotated[str, msgspec.Meta(max_length=SEARCH_LENGTH_MAX)] = ""
    """Only conversations that contain this."""


class ConversationId(msgspec.Struct, frozen=True):
    conversation_id: Id


class Rename(msgspec.Struct, frozen=True):
    conversation_id: Id
    title: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Ask(msgspec.Struct, frozen=True):
    conversation_id: Id = ""
    """Empty: a new conversation."""
    text: Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX)] = ""
    """Empty with `is_retry`: the last question is answered anew."""
    model: Annotated[str, msgspec.Meta(max_length=100)] = ""
    thinking: bool = False
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 1.0
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class ChatPage:
    conversations: tuple[Conversation, ...]
    conversation: Conversation | None
    messages: tuple[SaidMessage, ...]
    models: tuple[str, ...]
    balances: tuple[Balance, ...]
    is_demonstration: bool
    q: str

    @property
    def last_model(self) -> str:
        """What the conversation goes on with unless the person chooses otherwise."""
        return self.messages[-1].model if self.messages else ""

    @property
    def was_thinking(self) -> bool:
        return bool(self.messages and self.messages[-1].reasoning)


@dataclass(frozen=True, slots=True)
class _Question:
    conversation: Conversation
    messages: tuple[SaidMessage, ...]
    caller: Caller


async def load_chat(visit: Visit, query: ChatQuery) -> ChatPage:
    page = await visit.database.read(_chat_page, visit.person, query, visit.now)
    context = visit.context
    models = context.platform.models(Base())
    return replace(page, models=models, is_demonstration=context.is_demonstration)


async def ask(visit: Visit, fields: Ask) -> Response:
    """Streams one JSON object per line: `started`, then `thinking` and `blocks`, then
    `finished`. Closing the connection stops the answer; what was generated is kept and paid."""
    running = [task for task in visit.console.tasks if task.get_name() == visit.person.id]
    if len(running) >= NUM_TURNS_MAX:
        raise RefusedError(mark("Please wait until your other answers are finished."))
    models = visit.context.platform.models(Base())
    if fields.model not in models:
        raise RefusedError(mark("Please choose a model."))
    question = await visit.database.write(_note_question, visit.person, fields, visit.now)
    generation = await visit.context.platform.start_chat(
        question.caller, _request(fields, question.messages), Base()
    )
    settings = TurnSettings(
        question.conversation.id,
        fields.model,
        visit.person.currency,
        lambda error: told(visit, error),
    )
    context = visit.context
    turn = ChatTurn(generation, settings, context.database, context.clock, visit.console.markdown)
    _keep(visit, _run(visit, question.conversation.id, turn))
    return StreamingResponse(
        _lines(visit, question.conversation, turn),
        media_type="application/x-ndjson",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def stop(visit: Visit, fields: ConversationId) -> None:
    """The stream then ends with `finished` and what the answer cost. NotFoundError when this
    process is not answering there: closing the stream stops it, too."""
    await visit.database.read(get_conversation, fields.conversation_id, visit.person.id)
    turn = visit.console.turns.get(fields.conversation_id)
    if turn is None:
        raise NotFoundError("no answer is being written there")
    await turn.stop()


async def rename(visit: Visit, fields: Rename) -> None:
    await visit.database.write(
        rename_conversation, fields.conversation_id, visit.person.id, fields.title
    )


async def delete(visit: Visit, fields: ConversationId) -> None:
    await visit.database.write(delete_conversation, fields.conversation_id, visit.person.id)


async def _run(visit: Visit, conversation_id: str, turn: ChatTurn) -> None:
    turns = visit.console.turns
    turns[conversation_id] = turn
    try:
        await turn.run()
    finally:
        if turns.get(conversation_id) is turn:
            del turns[conversation_id]


async def _lines(visit: Visit, conversation: Conversation, turn: ChatTurn) -> AsyncIterator[bytes]:
    is_finished = False
    try:
        yield _line(
            {"type": "started", "conversation_id": conversation.id, "title": conversation.title}
        )
        async for update in turn.updates():
            is_finished = update["type"] == "finished"
            yield _line(_finished(update["answer"]) if is_finished else update)
    finally:
        if not is_finished:
            # The reader has left, perhaps by cancellation: stopping needs a task of its own.
            _keep(visit, turn.stop())


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _finished(answer: Answer) -> dict[str, Any]:
    return {
        "type": "finished",
        "finish_reason": answer.words.finish_reason,
        "cost_nanos": answer.words.cost_nanos,
        "cost": amount(answer.words.cost_nanos, answer.words.currency),
        "error": answer.error,
    }


def _keep(visit: Visit, work: Any) -> None:  # noqa: ANN401 - a coroutine
    """Whatever runs on after the request is held until it ends."""
    tasks = visit.console.tasks
    task = asyncio.create_task(work, name=visit.person.id)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _request(fields: Ask, messages: tuple[SaidMessage, ...]) -> ChatRequest:
    return ChatRequest(
        model=fields.model,
        messages=tuple(
            Message(Role.ASSISTANT if said.is_from_model else Role.USER, said.text)
            for said in messages
        ),
        thinking=fields.thinking,
        temperature=fields.temperature,
    )


def _chat_page(conn: Connection, user: User, query: ChatQuery, now: datetime) -> ChatPage:
    conversation = None
    messages: tuple[SaidMessage, ...] = ()
    if query.conversation_id:
        conversation = get_conversation(conn, query.conversation_id, user.id)
        messages = tuple(messages_of(conn, conversation.id))
    return ChatPage(
        conversations=tuple(list_conversations(conn, user.id, search=query.q)),
        conversation=conversation,
        messages=messages,
        models=(),
        balances=shown_balances(conn, user, now),
        is_demonstration=False,
        q=query.q,
    )


def _note_question(conn: Connection, user: User, fields: Ask, now: datetime) -> _Question:
    if fields.conversation_id:
        conversation = get_conversation(conn, fields.conversation_id, user.id)
    else:
        conversation = start_conversation(conn, user.id, fields.text, now)
    if fields.is_retry:
        take_back_answer(conn, conversation.id)
    else:
        say(conn, conversation.id, Words(fields.text), now)
    messages = tuple(messages_of(conn, conversation.id))
    if not messages or messages[-1].is_from_model:
        raise RefusedError(mark("There is no question to answer."))
    return _Question(conversation, messages, console_caller(conn, user, now))


def console_caller(conn: Connection, user: User, now: datetime) -> Caller:
    """The caller under whose key the console's own requests are metered. The key's secret is
    thrown away as it is made."""
    profile = get_profile(conn, user.id)
    key = _key_with_id(conn, user.id, profile.console_key_id)
    if key is None:
        key, _secret = create_api_key(conn, user_id=user.id, name=CONSOLE_KEY_NAME, now=now)
        set_profile(conn, replace(profile, console_key_id=key.id))
    return Caller(user.id, key.id, key.name, key.masked, user.currency)


def _key_with_id(conn: Connection, user_id: str, api_key_id: str | None) -> APIKey | None:
    keys = list_api_keys(conn, user_id) if api_key_id else []
    usable = [key for key in keys if key.id == api_key_id and key.revoked_at is None]
    return usable[0] if usable else None


CHAT = View("/chat", "chat.html", load_chat, "The conversations, latest first.", query=ChatQuery)
CONVERSATION = View(
    "/chat/{conversation_id}",
    "chat.html",
    load_chat,
    "One conversation with its messages.",
    query=ChatQuery,
)

VIEWS = (CHAT, CONVERSATION)
ACTIONS = (
    Action(
        "/chat/messages",
        ask,
        CHAT,
        "Ask, or ask again; streams the answer as lines of JSON.",
        fields=Ask,
        is_call_only=True,
    ),
    Action(
        "/chat/{conversation_id}/stop",
        stop,
        CHAT,
        "Stop the answer that is being written; what there is of it is kept and paid.",
        fields=ConversationId,
        is_call_only=True,
    ),
    Action(
        "/chat/{conversation_id}/rename",
        rename,
        CONVERSATION,
        "Give a conversation another title.",
        fields=Rename,
        then="/chat/{conversation_id}?notice=conversation_renamed",
    ),
    Action(
        "/chat/{conversation_id}/delete",
        delete,
        CHAT,
        "Erase a conversation.",
        fields=ConversationId,
        then="/chat?notice=conversation_deleted",
    ),
)
