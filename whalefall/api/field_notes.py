"""What the description says about request fields beyond their types: ranges and meanings, by the
field's name, which means the same in every dialect. Data only."""

from __future__ import annotations

from typing import Any

FIELD_NOTES: dict[str, dict[str, Any]] = {
    "model": {"description": "A name that GET /models lists."},
    "messages": {"description": "The whole conversation, oldest first.", "minItems": 1},
    "thinking": {"description": "Whether to think before answering. The default is the model's."},
    "reasoning_effort": {
        "description": "In the later era `none` turns thinking off, any other word turns it on."
    },
    "max_tokens": {
        "description": (
            "The most tokens to generate, reasoning included: up to 8192, or 65536 when thinking. "
            "On the Anthropic-style endpoints a larger value is cut to that."
        ),
        "minimum": 1,
    },
    "max_output_tokens": {
        "description": "The most tokens to generate: up to 8192, or 65536 when thinking.",
        "minimum": 1,
        "maximum": 65536,
    },
    "temperature": {
        "description": "0 is greedy. Accepted and ignored when thinking.",
        "minimum": 0,
        "maximum": 2,
    },
    "top_p": {
        "description": "Accepted and ignored when thinking.",
        "exclusiveMinimum": 0,
        "maximum": 1,
    },
    "frequency_penalty": {"minimum": -2, "maximum": 2},
    "presence_penalty": {"minimum": -2, "maximum": 2},
    "stop": {"description": "Up to 16 texts that end the answer; none is part of it."},
    "stop_sequences": {"description": "Up to 16 texts that end the answer.", "maxItems": 16},
    "stream": {"description": "Answer with server-sent events while generating."},
    "stream_options": {"description": "Only read together with `stream`."},
    "response_format": {
        "description": "`json_object` needs the word json somewhere in the messages."
    },
    "tools": {"description": "Up to 128 functions the model may call.", "maxItems": 128},
    "tool_choice": {"description": "Without tools `none`, with tools `auto` is the default."},
    "logprobs": {"description": "Log probabilities of the generated tokens."},
    "top_logprobs": {
        "description": "How many alternatives to report per token; needs `logprobs`.",
        "maximum": 20,
    },
    "user_id": {
        "description": "Keeps the prefix caches of an account's own users apart.",
        "maxLength": 512,
    },
    "user": {
        "description": "Keeps the prefix caches of an account's own users apart.",
        "maxLength": 512,
    },
    "seed": {"description": "An integer makes sampling repeatable."},
    "prompt": {"description": "The text before what is generated."},
    "suffix": {"description": "The text after what is generated."},
    "echo": {"description": "Begin the answer with the prompt."},
    "system": {"description": "Instructions, as a text or as text blocks."},
    "input": {"description": "A user's text, or the items of a conversation."},
    "instructions": {"description": "Comes before the input, as a system message."},
    "reasoning": {"description": "Effort `none` turns thinking off, any other turns it on."},
    "text": {"description": "The format of the answer: text, JSON, or JSON by a schema."},
    "previous_response_id": {"description": "Must be null: no response is stored."},
    "metadata": {"description": "Ignored."},
}
