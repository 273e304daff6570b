"""Probes find out what is up, how quickly, and write it down."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.support.fake_clock import FakeClock
from tests.support.scripted_engine import Die, ScriptedEngine, one_by_one
from whalefall.base.db import Database
from whalefall.base.errors import OverloadedError
from whalefall.base.probe_log import probe_history, recent_probes
from whalefall.serving.probes import Prober, ProbeTarget, model_target, page_target


async def answer() -> None:
    """What is up."""


async def test_what_answers_is_up_and_what_fails_or_hangs_is_down(
    database: Database, clock: FakeClock
) -> None:
    async def refuse() -> None:
        raise OverloadedError

    async def hang() -> None:
        await asyncio.sleep(60)

    targets = (
        ProbeTarget("console", answer),
        ProbeTarget("busy", refuse),
        ProbeTarget("hanging", hang),
    )
    prober = Prober(targets, database, clock, timeout_seconds=2)
    await prober.probe_all()
    clock.advance(60)
    await prober.probe_all()
    recent = await database.read(recent_probes, clock.now())
    assert [(each.target, each.is_up) for each in recent[:3]] == [
        ("busy", False),
        ("console", True),
        ("hanging", False),
    ]
    days = await database.read(probe_history, clock.now())
    assert [(day.target, day.num_up, day.num_down) for day in days] == [
        ("busy", 0, 2),
        ("console", 2, 0),
        ("hanging", 0, 2),
    ]


async def test_a_model_is_asked_for_one_real_token(database: Database, clock: FakeClock) -> None:
    engine = ScriptedEngine(one_by_one([7]))
    results = await Prober([model_target("chat", engine, [1, 2])], database, clock).probe_all()
    assert [each.is_up for each in results] == [True]
    dead = ScriptedEngine([Die()])
    results = await Prober([model_target("chat", dead, [1, 2])], database, clock).probe_all()
    assert [each.is_up for each in results] == [False]


async def test_a_page_is_up_when_it_answers_200_and_nothing_else(
    database: Database, clock: FakeClock
) -> None:
    def good(_request: Request) -> Response:
        return PlainTextResponse("Hello")

    def broken(_request: Request) -> Response:
        raise RuntimeError("the template is wrong")

    application = Starlette(routes=[Route("/good", good), Route("/broken", broken)])
    targets = [page_target(path, application, path) for path in ("/good", "/broken", "/missing")]
    results = await Prober(targets, database, clock).probe_all()
    assert [each.is_up for each in results] == [True, False, False]


async def test_old_results_are_forgotten_but_their_days_are_kept(
    database: Database, clock: FakeClock
) -> None:
    prober = Prober([ProbeTarget("console", answer)], database, clock)
    await prober.probe_all()
    clock.advance(timedelta(days=2).total_seconds())
    await prober.probe_all()
    assert len(await database.read(recent_probes, clock.now())) == 1
    assert len(await database.read(probe_history, clock.now())) == 2
    clock.advance(timedelta(days=89).total_seconds())
    await prober.probe_all()
    assert len(await database.read(probe_history, clock.now())) == 2
