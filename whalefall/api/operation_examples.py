"""One request and its answer for each operation, and the beginning of a stream where there is one.
Data only; tests decode each with the wire's own shapes."""

from __future__ import annotations

from typing import Any

_ID = "bac6eb88-1766-49c2-bf23-9eab31024ea6"
_CREATED = 1764547200
_FINGERPRINT = "fp_0123456789_whalefall"
_QUESTION = {"role": "user", "content": "What is a whale fall?"}
_ANSWER = "A whale that sank, and everything that lives on it."
_USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 13,
    "total_tokens": 25,
    "prompt_tokens_details": {"cached_tokens": 0},
    "prompt_cache_hit_tokens": 0,
    "prompt_cache_miss_tokens": 12,
}

EXAMPLES: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "createChatCompletion": (
        {"model": "deepseek-chat", "messages": [_QUESTION]},
        {
            "id": _ID,
            "object": "chat.completion",
            "created": _CREATED,
            "model": "deepseek-chat",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": _ANSWER},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _USAGE,
            "system_fingerprint": _FINGERPRINT,
        },
    ),
    "createCompletion": (
        {"model": "deepseek-chat", "prompt": "def add(a, b):\n", "suffix": "\nprint(add(1, 2))"},
        {
            "id": _ID,
            "choices": [
                {
                    "text": "    return a + b",
                    "index": 0,
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "created": _CREATED,
            "model": "deepseek-chat",
            "system_fingerprint": _FINGERPRINT,
            "object": "text_completion",
            "usage": _USAGE,
        },
    ),
    "createMessage": (
        {"model": "deepseek-chat", "max_tokens": 1024, "messages": [_QUESTION]},
        {
            "id": _ID,
            "type": "message",
            "role": "assistant",
            "model": "deepseek-chat",
            "content": [{"type": "text", "text": _ANSWER}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 12,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 13,
                "service_tier": "standard",
            },
        },
    ),
    "countMessageTokens": (
        {"model": "deepseek-chat", "messages": [_QUESTION]},
        {"input_tokens": 12},
    ),
    "listMessageModels": (
        None,
        {
            "data": [
                {
                    "type": "model",
                    "id": "deepseek-chat",
                    "display_name": "deepseek-chat",
                    "created_at": "1970-01-01T00:00:00Z",
                }
            ],
            "has_more": False,
            "first_id": "deepseek-chat",
            "last_id": "deepseek-chat",
        },
    ),
    "createResponse": (
        {"model": "deepseek-chat", "input": _QUESTION["content"]},
        {
            "id": _ID,
            "object": "response",
            "created_at": _CREATED,
            "status": "completed",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": None,
            "metadata": {},
            "model": "deepseek-chat",
            "output": [
                {
                    "type": "message",
                    "id": "msg_1",
                    "status": "completed",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": _ANSWER, "annotations": []}],
                }
            ],
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": {
                "input_tokens": 12,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 13,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 25,
            },
            "user": None,
        },
    ),
    "listModels": (
        None,
        {
            "object": "list",
            "data": [{"id": "deepseek-chat", "object": "model", "owned_by": "deepseek"}],
        },
    ),
    "retrieveModel": (
        None,
        {"id": "deepseek-chat", "object": "model", "owned_by": "deepseek"},
    ),
    "getBalance": (
        None,
        {
            "is_available": True,
            "balance_infos": [
                {
                    "currency": "CNY",
                    "total_balance": "4.95",
                    "granted_balance": "0.00",
                    "topped_up_balance": "4.95",
                }
            ],
        },
    ),
}

_CHUNK_HEAD = (
    f'data: {{"id":"{_ID}","object":"chat.completion.chunk","created":{_CREATED},'
    f'"model":"deepseek-chat","system_fingerprint":"{_FINGERPRINT}","choices":[{{"index":0,'
)
_PLAIN_END = ',"logprobs":null,"finish_reason":null}]}\n\n'

STREAMS: dict[str, str] = {
    "createChatCompletion": (
        f'{_CHUNK_HEAD}"delta":{{"role":"assistant","content":""}}{_PLAIN_END}'
        f'{_CHUNK_HEAD}"delta":{{"content":"A whale"}}{_PLAIN_END}'
    ),
    "createCompletion": (
        f'data: {{"id":"{_ID}","choices":[{{"text":"    return","index":0,"logprobs":null,'
        f'"finish_reason":null}}],"created":{_CREATED},"model":"deepseek-chat",'
        f'"system_fingerprint":"{_FINGERPRINT}","object":"text_completion"}}\n\n'
    ),
    "createMessage": (
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        '"delta":{"type":"text_delta","text":"A whale"}}\n\n'
    ),
    "createResponse": (
        'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",'
        '"sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,'
        '"delta":"A whale","logprobs":[]}\n\n'
    ),
}
