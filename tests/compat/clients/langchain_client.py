"""What an application built on langchain-deepseek does. Runs in the environment of that library.

python langchain_client.py BASE_URL API_KEY     prints one JSON object of what it saw
"""

import json
import os
import sys

from langchain_core.tools import tool
from langchain_deepseek import ChatDeepSeek


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


def main(base_url: str, api_key: str) -> dict[str, object]:
    os.environ["DEEPSEEK_API_KEY"] = api_key
    chat = ChatDeepSeek(model="deepseek-chat", api_base=base_url, api_key=api_key, max_retries=0)
    reasoner = ChatDeepSeek(
        model="deepseek-reasoner", api_base=base_url, api_key=api_key, max_retries=0
    )
    answer = chat.invoke("Say hello.")
    pieces = [piece.content for piece in chat.stream("Say hello.")]
    thought = reasoner.invoke("Think.")
    calling = chat.bind_tools([get_weather]).invoke("What is the weather in Paris?")
    schema = {
        "title": "Person",
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    structured = chat.with_structured_output(schema).invoke("Extract: Ann is 31.")
    as_json = chat.with_structured_output(schema, method="json_mode").invoke(
        "Extract as JSON: Ann is 31."
    )
    return {
        "answer": answer.content,
        "usage": answer.usage_metadata,
        "finish_reason": answer.response_metadata["finish_reason"],
        "streamed": "".join(str(piece) for piece in pieces),
        "num_pieces": len(pieces),
        "reasoning": thought.additional_kwargs.get("reasoning_content"),
        "thought_answer": thought.content,
        "tool_calls": calling.tool_calls,
        "structured": structured,
        "json_mode": as_json,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
