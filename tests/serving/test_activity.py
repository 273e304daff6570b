"""What the operator's charts rest on: answers are counted once, engines' work by its difference."""

from __future__ import annotations

from datetime import timedelta

from starlette.applications import Starlette
from typing_extensions import override

from tests.support.fake_clock import FakeClock
from tests.support.scripted_engine import ScriptedEngine
from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call
from whalefall.api.options import WireOptions
from whalefall.api.routes import api_routes
from whalefall.base.activity_log import answers_between, recent_loads
from whalefall.base.db import Database
from whalefall.engine.client import EngineLoad
from whalefall.serving.activity import ActivityRecorder, AnswerTally


class CountingEngine(ScriptedEngine):
    """An engine whose counters stand where the test puts them."""

    def __init__(self) -> None:
        super().__init__([])
        self.now = EngineLoad(is_ready=True)

    @override
    def load(self) -> EngineLoad:
        return self.now


async def test_every_answer_of_the_api_is_counted_by_status(
    database: Database, clock: FakeClock
) -> None:
    tally = AnswerTally(clock)
    app = Starlette(routes=api_routes(ScriptedPlatform(), WireOptions(), tally.note))
    assert (await call(app, "/models")).status_code == 200
    assert (await call(app, "/user/balance")).status_code == 200
    assert (await call(app, "/models", headers={"authorization": "Bearer x"})).status_code == 401
    assert (await call(app, "/chat/completions", b"{")).status_code == 400
    recorder = ActivityRecorder(tally, [], database, clock)
    await recorder.record()
    await recorder.record()
    today = clock.now().date()
    found = await database.read(answers_between, today, today)
    assert [(each.status, each.num_answers) for each in found] == [(200, 2), (400, 1), (401, 1)]


async def test_the_work_of_a_minute_is_the_difference_of_counters(
    database: Database, clock: FakeClock
) -> None:
    engine = CountingEngine()
    engine.now = EngineLoad(output_tokens_total=1000, prompt_tokens_total=50)
    recorder = ActivityRecorder(AnswerTally(clock), [("tiny", engine)], database, clock)
    clock.advance(60)
    engine.now = EngineLoad(output_tokens_total=1600, prompt_tokens_total=90, num_waiting=2)
    await recorder.record()
    clock.advance(30)
    engine.now = EngineLoad(output_tokens_total=70, prompt_tokens_total=9)  # started anew
    await recorder.record()
    found = await database.read(recent_loads, clock.now())
    assert [(each.output_tokens, each.prompt_tokens, each.milliseconds) for each in found] == [
        (600, 40, 60_000),
        (70, 9, 30_000),
    ]
    assert found[0].num_waiting == 2


async def test_only_a_day_of_samples_is_kept(database: Database, clock: FakeClock) -> None:
    recorder = ActivityRecorder(AnswerTally(clock), [("tiny", CountingEngine())], database, clock)
    for _ in range(3):
        clock.advance(timedelta(hours=20).total_seconds())
        await recorder.record()
    assert len(await database.read(recent_loads, clock.now())) == 2
