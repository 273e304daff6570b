"""What an application built on LiteLLM does. Runs in the environment of that library.

python litellm_client.py BASE_URL API_KEY     prints one JSON object of what it saw
"""

import json
import sys

import litellm

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def main(base_url: str, api_key: str) -> dict[str, object]:
    def ask(text: str, **more: object) -> object:
        return litellm.completion(
            model=more.pop("model", "deepseek/deepseek-chat"),
            messages=[{"role": "user", "content": text}],
            api_base=base_url,
            api_key=api_key,
            num_retries=0,
            **more,
        )

    answer = ask("Say hello.")
    chunks = list(ask("Say hello.", stream=True, stream_options={"include_usage": True}))
    thought = ask("Think.", model="deepseek/deepseek-reasoner")
    calling = ask("What is the weather in Paris?", tools=[TOOL])
    try:
        litellm.completion(
            model="deepseek/deepseek-chat",
            messages=[{"role": "user", "content": "hi"}],
            api_base=base_url,
            api_key="sk-" + "0" * 32,
            num_retries=0,
        )
        refused = ""
    except (litellm.AuthenticationError, litellm.BadRequestError) as error:
        # LiteLLM reads the body's code, which says invalid_request_error here as the real API does.
        refused = str(error)
    calls = calling.choices[0].message.tool_calls
    return {
        "answer": answer.choices[0].message.content,
        "usage": answer.usage.model_dump(),
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks),
        "reasoning": thought.choices[0].message.reasoning_content,
        "thought_answer": thought.choices[0].message.content,
        "tool_calls": [[call.function.name, call.function.arguments] for call in calls],
        "finish_reason": calling.choices[0].finish_reason,
        "refused": refused,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
