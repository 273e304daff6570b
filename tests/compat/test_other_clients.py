"""LangChain and LiteLLM, unmodified, against the whole platform; only the engine is scripted, so
that the same words come back every time. Both libraries pin an older OpenAI SDK than ours, so each
runs in an environment of its own, which `make test` prepares."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.serving.harness import Harness, running, says, tokenizer
from tests.support.listening import listening
from tests.support.scripted_engine import Action, ScriptedEngine
from tests.support.wire import wire_app
from whalefall.accounts.api_keys import create_api_key
from whalefall.base.money import NANOS_PER_UNIT
from whalefall.billing.verification import verify
from whalefall.engine.request import EngineRequest

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS_PYTHON = ROOT / ".venv-clients" / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        not CLIENTS_PYTHON.exists(),
        reason="the clients' environment is missing; `make clients` prepares it",
    ),
]


def call_of(name: str, /, **arguments: str) -> str:
    parameters = "".join(
        f'<｜DSML｜parameter name="{key}" string="{str(not value.isdigit()).lower()}">{value}'
        "</｜DSML｜parameter>\n"
        for key, value in arguments.items()
    )
    return (
        f'<｜DSML｜function_calls>\n<｜DSML｜invoke name="{name}">\n{parameters}'
        "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
    )


def reply(request: EngineRequest) -> Sequence[Action]:
    """What a model would say to the clients' questions."""
    prompt = tokenizer().decode(request.prompt_token_ids)
    if "Ann is 31" in prompt and "functions>" in prompt:
        return says(call_of("Person", name="Ann", age="31"))
    if "Ann is 31" in prompt:
        return says('{"name": "Ann", "age": 31}')
    if "weather in Paris" in prompt:
        return says(call_of("get_weather", city="Paris"))
    if prompt.endswith("<think>"):
        return says("Hm, let me see.</think>I thought.")
    return says("Hello from the deep!")


async def what_it_saw(script: str, tmp_path: Path) -> dict[str, Any]:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    async with running(url, tmp_path, ScriptedEngine(reply)) as harness:
        secret = await _paying_key(harness)
        async with listening(wire_app(harness.platform)) as base_url:  # type: ignore[arg-type]
            done = await anyio.run_process(
                [
                    str(CLIENTS_PYTHON),
                    str(Path(__file__).parent / "clients" / script),
                    base_url,
                    secret,
                ],
                check=False,
                stderr=subprocess.PIPE,
                # LiteLLM otherwise fetches its price table from the network when it is imported.
                env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(tmp_path)},
            )
        assert done.returncode == 0, done.stderr.decode()
        report = await harness.database.read(verify)
        assert report.is_consistent
        assert report.num_usage_records > 0
    # LiteLLM prints advice of its own before; ours is the last line.
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


async def _paying_key(harness: Harness) -> str:
    caller = await harness.caller(NANOS_PER_UNIT)
    _, secret = await harness.database.write(
        create_api_key, user_id=caller.user_id, name="client", now=harness.clock.now()
    )
    return secret


async def test_langchain_deepseek(tmp_path: Path) -> None:
    seen = await what_it_saw("langchain_client.py", tmp_path)
    assert seen["answer"] == seen["streamed"] == "Hello from the deep!"
    assert seen["num_pieces"] > 3
    assert seen["finish_reason"] == "stop"
    assert seen["usage"]["output_tokens"] == len(tokenizer().encode("Hello from the deep!"))
    assert seen["reasoning"] == "Hm, let me see."
    assert seen["thought_answer"] == "I thought."
    (call,) = seen["tool_calls"]
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
    assert call["id"].startswith("call_00_")
    assert seen["structured"] == seen["json_mode"] == {"name": "Ann", "age": 31}


async def test_litellm(tmp_path: Path) -> None:
    seen = await what_it_saw("litellm_client.py", tmp_path)
    assert seen["answer"] == seen["streamed"] == "Hello from the deep!"
    assert seen["usage"]["prompt_tokens"] > 0
    assert seen["reasoning"] == "Hm, let me see."
    assert seen["thought_answer"] == "I thought."
    assert seen["tool_calls"] == [["get_weather", '{"city": "Paris"}']]
    assert seen["finish_reason"] == "tool_calls"
    assert "Authentication Fails, Your api key: ****0000 is invalid" in seen["refused"]
