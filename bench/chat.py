"""What text costs: CPU per token of tokenizer, detokenizer, parser and stop strings.

    python -m bench.chat

One JSON line per measure, microseconds of this thread's CPU time, the least of several rounds:
a loaded machine makes a round longer, nothing makes it shorter. The text is the 375-token recorded
completion, repeated."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from whalefall.chat.constraints import structure_for
from whalefall.chat.detokenizer import Detokenizer
from whalefall.chat.formats.base import ChatFormat
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.messages import (
    ChatRequest,
    Message,
    ResponseFormat,
    ResponseFormatKind,
    Role,
    Tool,
)
from whalefall.chat.stop_strings import StopStrings
from whalefall.chat.tokenizer import Tokenizer

ROUNDS = 7
REPEATS = 20
RECORDED = Path(__file__).parent.parent / "tests/golden/recorded/fim_response.json"
TOOLS = (Tool("look", "Looks.", {"type": "object", "properties": {"text": {"type": "string"}}}),)
STOPS = ("\n\nUser:", "```", "END")


def least_microseconds(run: Callable[[], object], num_units: int) -> float:
    """CPU time of the fastest round over its number of units."""
    durations = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        run()
        durations.append(time.thread_time() - start)
    return round(min(durations) / num_units * 1e6, 3)


def measure_prompt(text: str, chat_format: ChatFormat) -> dict[str, float]:
    tokenizer = chat_format.tokenizer
    long_text = text * REPEATS
    request = ChatRequest(model="m", messages=(Message(Role.USER, long_text),), tools=TOOLS)
    num_tokens = len(chat_format.render(request))
    short = ChatRequest(model="m", messages=(Message(Role.USER, "Hi"),))
    as_json = ResponseFormat(ResponseFormatKind.JSON_OBJECT)
    json_mode = ChatRequest(model="m", messages=short.messages, response_format=as_json)
    return {
        "encode, per token": least_microseconds(lambda: tokenizer.encode(long_text), num_tokens),
        "render, per token": least_microseconds(lambda: chat_format.render(request), num_tokens),
        "render a short chat": least_microseconds(lambda: chat_format.render(short), 1),
        "JSON-mode grammar": least_microseconds(lambda: structure_for(json_mode, chat_format), 1),
    }


def measure_reply(text: str, chat_format: ChatFormat) -> dict[str, float]:
    tokenizer = chat_format.tokenizer
    ids = tokenizer.encode(text) * REPEATS
    pieces = [tokenizer.token_text(token_id) for token_id in ids]
    call = (
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="look">\n'
        f'<｜DSML｜parameter name="text" string="true">{text * REPEATS}</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
    )
    call_pieces = [tokenizer.token_text(token_id) for token_id in tokenizer.encode(call)]
    plain = ChatRequest(model="m", messages=())
    with_tools = ChatRequest(model="m", messages=(), tools=TOOLS)

    def detokenize() -> None:
        push = Detokenizer(tokenizer).push
        for token_id in ids:
            push((token_id,))

    def parse(request: ChatRequest, fed: list[str]) -> None:
        push = chat_format.parser(request).push
        for piece in fed:
            push(piece)

    def stop() -> None:
        push = StopStrings(STOPS).push
        for piece in pieces:
            push(piece)

    num = len(ids)
    return {
        "detokenize, per token": least_microseconds(detokenize, num),
        "parse, per token": least_microseconds(lambda: parse(plain, pieces), num),
        "parse with tools, per token": least_microseconds(lambda: parse(with_tools, pieces), num),
        "parse a call, per token": least_microseconds(
            lambda: parse(with_tools, call_pieces), len(call_pieces)
        ),
        "stop strings, per token": least_microseconds(stop, num),
    }


def main() -> None:
    text = json.loads(RECORDED.read_text(encoding="utf-8"))["choices"][0]["text"]
    chat_format = format_by_name("v3.2", Tokenizer.bundled())
    results = {**measure_prompt(text, chat_format), **measure_reply(text, chat_format)}
    for name, microseconds in results.items():
        print(json.dumps({"measure": name, "cpu_microseconds": microseconds}))


if __name__ == "__main__":
    main()
