"""Prices as they were charged, kept beside the charges.

A price list is a file and files get edited. What a price id meant is written down here before it
is first used, and an id that suddenly means something else is refused at start."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import BigInteger, Column, Connection, Table, Text, select
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.errors import ServerError
from whalefall.base.money import Currency
from whalefall.base.tables import metadata
from whalefall.billing.pricing import Price

price_versions = Table(
    "price_versions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("hit_micros", BigInteger, nullable=False),
    Column("miss_micros", BigInteger, nullable=False),
    Column("output_micros", BigInteger, nullable=False),
)


def register_prices(conn: Connection, prices: Iterable[Price]) -> None:
    """Write down what the price ids mean; run at start, before any of them is charged.

    ServerError when an id is known with other figures: a changed price needs a new id."""
    offered = {price.id: price for price in prices}
    rows = [{name: getattr(price, name) for name in Price.__slots__} for price in offered.values()]
    if rows:
        conn.execute(upsert(price_versions).on_conflict_do_nothing(index_elements=["id"]), rows)
    for known in registered_prices(conn):
        price = offered.get(known.id, known)
        if price != known:
            raise ServerError(
                f"the price {known.id} was charged before with other figures; give the new "
                "figures a new id and a `from` of their own"
            )


def registered_prices(conn: Connection) -> list[Price]:
    query = select(*(price_versions.c[name] for name in Price.__slots__))
    rows = conn.execute(query.order_by(price_versions.c.id))
    return [Price(row[0], row[1], Currency(row[2]), *row[3:]) for row in rows]
