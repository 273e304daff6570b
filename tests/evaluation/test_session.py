"""A tiny random model asked through the real engine, tokeniser and format, end to end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.support.tiny_checkpoint import write_tiny_checkpoint
from tests.support.tiny_model import TINY_V32, PagedDriver, random_tokens, tiny_model
from whalefall.chat.messages import Message, Role, Tool, ToolCall
from whalefall.chat.tokenizer import V3_VOCAB_SIZE
from whalefall.cli.main import command_line
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.evaluation.cases import Case, Rule, write_cases
from whalefall.evaluation.respondent import attend_to_everything
from whalefall.evaluation.shares import Share
from whalefall.evaluation.speculation import acceptance

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = replace(TINY_V32, vocab_size=V3_VOCAB_SIZE, tie_word_embeddings=True)


def asked(text: str) -> tuple[Message, ...]:
    return (Message(Role.USER, text),)


CASES = (
    Case(skill="talk", rule=Rule.TOPICS, messages=asked("你好"), topics=(("你好",),)),
    Case(
        skill="tool calls", rule=Rule.CALLS, messages=asked("Time?"), thinking=True,
        tools=(Tool("f"),), calls=(ToolCall("", "f", "{}"),),
    ),
    Case(skill="fill in", rule=Rule.FILL_IN, prompt="a = ", suffix="\n", answer="1"),
    Case(
        skill="needle", rule=Rule.TEXT, variant="256", messages=asked("hay " * 256 + "?"),
        answer="hay",
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"), CONFIG)


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    write_cases(tmp_path / "cases.jsonl", CASES)
    return tmp_path / "cases.jsonl"


def bench(model_dir: Path, cases: Path, *arguments: str) -> tuple[int, str]:
    command = ["bench", "model", "--model-dir", str(model_dir), "--cases", str(cases), *arguments]
    data = {"WHALEFALL_DATA_DIR": str(model_dir.parent / "data")}
    done = CliRunner().invoke(command_line(command), command, env=data)
    return done.exit_code, done.stdout


def test_a_run_writes_its_report_and_ends_well(
    model_dir: Path, cases: Path, tmp_path: Path
) -> None:
    status, said = bench(model_dir, cases, "--json", "--output", str(tmp_path / "report"))
    assert status == 0
    record = json.loads(said)
    assert set(record["skills"]) == {
        "talk", "talk, temperature 1", "tool calls, thinking", "fill in", "needle",
    }  # fmt: skip
    assert record["observations"]["ended by itself"]["asked"] == len(CASES)
    (needle,) = record["needle"]
    assert (needle["tokens"], needle["dense"]["asked"]) == (256, 1)
    assert record["mtp_acceptance"]["asked"] > 0
    assert record["decode_tokens_per_second"] > 0
    written = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert written == record
    assert "<svg" in (tmp_path / "report" / "model-evaluation.svg").read_text("utf-8")
    assert "| talk |" in (tmp_path / "report" / "report.md").read_text("utf-8")


def test_what_is_required_and_not_reached_ends_with_a_status(model_dir: Path, cases: Path) -> None:
    few = ("--skill", "talk", "--cases-per-skill", "1", "--json")
    assert bench(model_dir, cases, *few, "--require", "0.9")[0] == 1
    assert bench(model_dir, cases, *few, "--require", "0")[0] == 0


def test_an_unknown_skill_or_model_is_refused(model_dir: Path, cases: Path) -> None:
    assert bench(model_dir, cases, "--skill", "cooking")[0] == 1
    assert bench(model_dir / "nowhere", cases)[0] == 1


def test_a_model_made_dense_is_one_that_never_had_to_choose() -> None:
    """The same weights with an index_topk beyond the context, in pages and in one piece."""
    ids = random_tokens(TINY_V32, 200)
    whole = torch.tensor([ids])
    never = tiny_model(replace(TINY_V32, index_topk=1024))
    model = tiny_model()
    assert not torch.allclose(model.forward_dense(whole), never.forward_dense(whole))
    attend_to_everything(model)
    assert torch.equal(model.forward_dense(whole), never.forward_dense(whole))
    assert torch.equal(
        PagedDriver(model).run_alone(ids, [150, 50]), PagedDriver(never).run_alone(ids, [150, 50])
    )


def greedy(model: DeepseekV32ForCausalLM, ids: Sequence[int], count: int) -> list[int]:
    said: list[int] = []
    for _ in range(count):
        hidden = model.forward_dense(torch.tensor([[*ids, *said]]))
        said.append(int(model.compute_logits(hidden[0, -1]).argmax()))
    return said


def test_a_prediction_is_asked_for_every_token_but_the_first() -> None:
    model = tiny_model()
    prompt = random_tokens(TINY_V32, 12)
    said = greedy(model, prompt, 6)
    assert acceptance(model, prompt, said).asked == 5
    assert acceptance(model, prompt, said[:1]) == Share(0, 0)


def test_tokens_that_the_mtp_layer_itself_foretells_are_all_accepted() -> None:
    """Each token after the first is replaced by what the layer predicts from those before it."""
    model = tiny_model()
    prompt = random_tokens(TINY_V32, 12)
    ids = [*prompt, 7]
    for _ in range(5):
        hidden = model.forward_dense(torch.tensor([ids]))[:, :-1]
        ahead = model.mtp_forward_dense(hidden, torch.tensor([ids[1:]]))
        ids.append(int(model.compute_logits(ahead[0, -1]).argmax()))
    assert acceptance(model, prompt, ids[len(prompt) :]) == Share(5, 5)
    swapped = [*ids[len(prompt) : -1], (ids[-1] + 1) % TINY_V32.vocab_size]
    assert acceptance(model, prompt, swapped) == Share(4, 5)
