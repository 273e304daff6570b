"""How long the console's pages take on the server when a million requests are on record.

python -m bench.console [--records 1000000] [--rounds 20]

A SQLite file is filled with charged requests of 200 users over the 365 days up to today, written
straight into the tables as the ledger would leave them. Each page is then asked for in-process, so
that the figure is the server's own time, database threads included. One JSON line per page: the
median and the slowest of the rounds in milliseconds, and the median of the CPU time, which a busy
machine distorts less."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import Connection, insert
from starlette.applications import Starlette

from tests.support.scripted_serving import ScriptedPlatform
from whalefall.accounts.api_keys import create_api_key
from whalefall.accounts.identity_vault import IdentityVault
from whalefall.accounts.logins import Device, create_login
from whalefall.accounts.users import create_user
from whalefall.base.clock import SystemClock
from whalefall.base.db import Database, upgrade
from whalefall.base.money import Currency
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.price_book import PriceBook
from whalefall.billing.price_versions import register_prices
from whalefall.billing.usage import usage_daily, usage_records
from whalefall.console.application import console_routes
from whalefall.console.context import ConsoleContext

NUM_USERS = 200
NUM_KEYS = 3
NUM_DAYS = 365
MODELS = ("deepseek-chat", "deepseek-reasoner")
PAGES = (
    "/usage",
    "/usage/export",
    "/api_keys",
    "/transactions",
    "/top_up",
    "/verification",
    "/invoices",
    "/refunds",
    "/pricing",
    "/profile",
    "/chat",
    "/playground",
    "/tickets",
    "/status",
    "/help/faq",
    "/operator/overview",
    "/operator/users",
    "/operator/audit",
    "/operator/rerating",
    "/operator/prices",
    "/operator/invoices",
    "/operator/refunds",
    "/operator/ledger",
    "/operator/reconciliation",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'console.db'}"
        upgrade(url)
        with Database.open(url) as database:
            token = database.run(fill, options.records, datetime.now(UTC))
            asyncio.run(measure(database, token, options.rounds))


def fill(conn: Connection, num_records: int, now: datetime) -> str:
    """All users, keys and requests; the token of a login of the busiest user, who is an admin."""
    book = PriceBook.load()
    register_prices(conn, [entry.price for entry in book.listed()])
    users = [
        create_user(conn, email=f"user{index}@example.org", now=now, is_admin=index == 0)
        for index in range(NUM_USERS)
    ]
    keys = {
        user.id: [
            create_api_key(conn, user_id=user.id, name=f"key {index}", now=now)[0].id
            for index in range(NUM_KEYS)
        ]
        for user in users
    }
    price_ids = {
        model: book.price_at(model, Currency.CNY, now - timedelta(days=NUM_DAYS)).id
        for model in MODELS
    }
    chance = random.Random(1)
    days: dict[tuple[int, str, str, str], int] = {}
    rows: list[dict[str, object]] = []
    for index in range(num_records):
        user = users[min(int(chance.expovariate(0.03)), NUM_USERS - 1)]
        key = chance.choice(keys[user.id])
        model = chance.choice(MODELS)
        at = now - timedelta(seconds=chance.randrange(NUM_DAYS * 86_400))
        rows.append(_record(index, user.id, key, model, price_ids[model], at))
        day = at.year * 10_000 + at.month * 100 + at.day
        days[day, user.id, key, model] = days.get((day, user.id, key, model), 0) + 1
        if len(rows) == 50_000:
            conn.execute(insert(usage_records), rows)
            rows = []
    if rows:
        conn.execute(insert(usage_records), rows)
    conn.execute(
        insert(usage_daily),
        [_day_row(*place, price_ids[place[3]], count) for place, count in days.items()],
    )
    _, token = create_login(
        conn, users[0].id, Device("127.0.0.1", "bench"), now, needs_second_factor=False
    )
    print(json.dumps({"records": num_records, "daily_rows": len(days), "users": NUM_USERS}))
    return token


def _record(
    index: int, user_id: str, key_id: str, model: str, price_id: str, at: datetime
) -> dict[str, object]:
    return {
        "request_id": f"request {index}",
        "user_id": user_id,
        "api_key_id": key_id,
        "model_asked": model,
        "model_billed": model,
        "price_id": price_id,
        "price_rule": "request_received",
        "hit_tokens": 640,
        "miss_tokens": 360,
        "output_tokens": 200,
        "currency": "CNY",
        "granted_nanos": 0,
        "paid_nanos": 1_448_000,
        "uncollected_nanos": 0,
        "created_at": at,
    }


def _day_row(
    day: int, user_id: str, key_id: str, model: str, price_id: str, count: int
) -> dict[str, object]:
    return {
        "day": day,
        "user_id": user_id,
        "api_key_id": key_id,
        "model": model,
        "price_id": price_id,
        "currency": "CNY",
        "num_requests": count,
        "hit_tokens": 640 * count,
        "miss_tokens": 360 * count,
        "output_tokens": 200 * count,
        "granted_nanos": 0,
        "paid_nanos": 1_448_000 * count,
    }


async def measure(database: Database, token: str, num_rounds: int) -> None:
    context = ConsoleContext(
        database=database,
        clock=SystemClock(),
        prices=CurrentPrices(PriceBook.load()),
        platform=ScriptedPlatform(),
        base_url="http://127.0.0.1",
        identity_vault=IdentityVault(bytes(32)),
        count_tokens=len,
    )
    transport = httpx.ASGITransport(Starlette(routes=console_routes(context)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        client.headers["authorization"] = f"Bearer {token}"
        for page in PAGES:
            rounds = [await _once(client, page) for _ in range(num_rounds + 2)][2:]
            print(
                json.dumps(
                    {
                        "page": page,
                        "median_ms": round(statistics.median(wall for wall, _ in rounds), 1),
                        "slowest_ms": round(max(wall for wall, _ in rounds), 1),
                        "cpu_ms": round(statistics.median(cpu for _, cpu in rounds), 1),
                    }
                ),
                flush=True,
            )


async def _once(client: httpx.AsyncClient, page: str) -> tuple[float, float]:
    """Milliseconds on the wall, and of this process's CPU in all threads."""
    start, cpu_start = time.perf_counter(), time.process_time()
    response = await client.get(page)
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    assert response.status_code == 200, (page, response.status_code)
    return elapsed * 1000, cpu * 1000


if __name__ == "__main__":
    main()
