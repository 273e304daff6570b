"""API keys: made here, shown once, revoked at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.api_keys import (
    NAME_LENGTH_MAX,
    APIKey,
    KeyLimits,
    create_api_key,
    list_api_keys,
    revoke_api_key,
)
from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.key_rules import ODD_BUDGET, KeyRules, checked_rules
from whalefall.accounts.profiles import get_profile
from whalefall.accounts.users import User
from whalefall.base.money import Currency, nanos_from_text
from whalefall.billing.key_budgets import spent_this_month
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import mark
from whalefall.console.routing import Action, View
from whalefall.console.session import Visit
from whalefall.serving.platform import Base

ODD_NAME = mark("A key's name has 1 to 64 printable characters.")


LimitValue = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


class CreateKey(msgspec.Struct, frozen=True):
    name: str = ""
    expires_on: date | None = None
    """The last day, in UTC, on which the key works; none: until it is revoked."""
    requests_per_minute: LimitValue | None = None
    tokens_per_minute: LimitValue | None = None
    concurrency: LimitValue | None = None
    models: Annotated[str, msgspec.Meta(max_length=2100)] = ""
    """The only models it may ask for, with commas between; empty: all."""
    networks: Annotated[str, msgspec.Meta(max_length=2500)] = ""
    """The only addresses or networks it may come from, with commas between; empty: anywhere."""
    monthly_budget: Annotated[str, msgspec.Meta(max_length=30)] = ""
    """The most it may spend in a UTC month, in the account's currency; empty: no limit."""


class KeyId(msgspec.Struct, frozen=True):
    api_key_id: Annotated[str, msgspec.Meta(max_length=64)]


@dataclass(frozen=True, slots=True)
class APIKeysPage:
    api_keys: tuple[APIKey, ...]
    spent_nanos: dict[str, int]
    """What each key was charged in this UTC month, by its id; only of keys with a charge."""
    currency: Currency
    models: tuple[str, ...]
    """Served here, for the list of a key's models."""
    base_url: str


@dataclass(frozen=True, slots=True)
class CreatedKey:
    api_key: APIKey
    secret: str
    """Shown this once."""


@dataclass(frozen=True, slots=True)
class _NewKey:
    name: str
    expires_at: datetime | None
    limits: KeyLimits
    rules: KeyRules


async def load_api_keys(visit: Visit, _query: NoFields) -> APIKeysPage:
    keys, spent = await visit.database.read(_keys_and_spent, visit.person, visit.now)
    models = visit.context.platform.models(Base())
    return APIKeysPage(keys, spent, visit.person.currency, models, visit.context.base_url)


async def create_key(visit: Visit, fields: CreateKey) -> CreatedKey:
    name = fields.name.strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise RefusedError(ODD_NAME)
    expires_at = None
    if fields.expires_on is not None:
        midnight = datetime.combine(fields.expires_on, time(), visit.now.tzinfo)
        expires_at = midnight + timedelta(days=1)
        if expires_at <= visit.now:
            raise RefusedError(mark("The expiry date has passed already."))
    limits = KeyLimits(fields.requests_per_minute, fields.tokens_per_minute, fields.concurrency)
    rules = checked_rules(fields.models, fields.networks, _budget(fields.monthly_budget))
    new = _NewKey(name, expires_at, limits, rules)
    return await visit.database.write(_create, visit.actor, new, visit.now)


async def revoke_key(visit: Visit, fields: KeyId) -> APIKey:
    return await visit.database.write(_revoke, visit.actor, fields.api_key_id, visit.now)


def _budget(text: str) -> int | None:
    if not text.strip():
        return None
    try:
        return nanos_from_text(text)
    except ValueError:
        raise RefusedError(ODD_BUDGET) from None


def _keys_and_spent(
    conn: Connection, user: User, now: datetime
) -> tuple[tuple[APIKey, ...], dict[str, int]]:
    return shown_keys(conn, user.id, now), spent_this_month(conn, user.id, user.currency, now)


def shown_keys(conn: Connection, user_id: str, now: datetime) -> tuple[APIKey, ...]:
    """Keys that work, newest first. The console's own is not among them: nobody has its secret."""
    hidden = get_profile(conn, user_id).console_key_id
    usable = [
        key
        for key in list_api_keys(conn, user_id)
        if key.revoked_at is None
        and key.id != hidden
        and (key.expires_at is None or key.expires_at > now)
    ]
    return tuple(reversed(usable))


def _create(conn: Connection, actor: Actor, new: _NewKey, now: datetime) -> CreatedKey:
    assert actor.id is not None
    key, secret = create_api_key(
        conn,
        user_id=actor.id,
        name=new.name,
        now=now,
        expires_at=new.expires_at,
        limits=new.limits,
        rules=new.rules,
    )
    record_action(conn, actor, "api_key.created", key.id, now, key.masked)
    return CreatedKey(key, secret)


def _revoke(conn: Connection, actor: Actor, api_key_id: str, now: datetime) -> APIKey:
    assert actor.id is not None
    key = revoke_api_key(conn, api_key_id, now, user_id=actor.id)
    record_action(conn, actor, "api_key.revoked", key.id, now, key.masked)
    return key


API_KEYS = View("/api_keys", "api_keys.html", load_api_keys, "The API keys that work.")

VIEWS = (API_KEYS,)
ACTIONS = (
    Action(
        "/api_keys",
        create_key,
        API_KEYS,
        "Make an API key; its secret is in this answer and nowhere else.",
        fields=CreateKey,
    ),
    Action(
        "/api_keys/revoke",
        revoke_key,
        API_KEYS,
        "Revoke an API key. It opens nothing from then on.",
        fields=KeyId,
        then="/api_keys?notice=key_revoked",
    ),
)
