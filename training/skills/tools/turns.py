"""A request, the calls it leads to, their results and the answer, as messages.

The thought writes names and arguments as the calls do, so that both are copied alike."""

from __future__ import annotations

from collections.abc import Sequence

from training.skills.tools import answers
from training.skills.tools.wishes import Call, Wish, is_chinese
from whalefall.chat.messages import Message, Role, ToolCall


def turn(wish: Wish, number: int) -> list[Message]:
    """All there is to a wish; its number keeps the ids of calls apart."""
    asked = calling(wish.calls, thought(wish), number)
    return [Message(Role.USER, wish.request), asked, *answered(wish, asked)]


def calling(calls: Sequence[Call], thought: str, number: int) -> Message:
    """Nothing is said before calls, so that the first token decides between calls and an answer."""
    tool_calls = tuple(
        ToolCall(f"call_{number}_{place}", call.name, call.json) for place, call in enumerate(calls)
    )
    return Message(Role.ASSISTANT, reasoning_content=thought, tool_calls=tool_calls)


def answered(wish: Wish, asked: Message) -> list[Message]:
    results = [call.result for call in wish.calls]
    in_chinese = is_chinese(wish.request)
    said = answers.answer(wish.calls, results, in_chinese)
    thought = "我有结果了。" if in_chinese else "I have the result."
    return [*reported(results, asked), Message(Role.ASSISTANT, said, reasoning_content=thought)]


def reported(results: Sequence[str], asked: Message) -> list[Message]:
    return [
        Message(Role.TOOL, result, tool_call_id=call.id)
        for call, result in zip(asked.tool_calls, results, strict=True)
    ]


def thought(wish: Wish) -> str:
    wanted = "用户想要：{}\n" if is_chinese(wish.request) else "The user wants: {}\n"
    return wanted.format(wish.request.strip()) + about_calls(wish.calls, is_chinese(wish.request))


def about_calls(calls: Sequence[Call], in_chinese: bool) -> str:
    lines = "\n".join(f"{call.name} {call.json}" for call in calls)
    return ("我调用：\n" if in_chinese else "I call:\n") + lines
