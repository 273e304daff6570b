"""API keys: made once, shown once, stored only as a digest."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from whalefall.accounts.key_rules import NO_RULES, KeyRules, words
from whalefall.accounts.users import get_user, users
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.base.statements import Prepared
from whalefall.base.tables import Instant, metadata, micros_from_instant

NAME_LENGTH_MAX = 64
NUM_KEYS_MAX = 100
"""Usable keys one user may have at a time."""
LIMIT_MAX = 1_000_000_000
_SECRET = re.compile(r"sk-[0-9a-f]{32}")

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("masked", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("concurrency", BigInteger),
    Column("models", Text),
    Column("networks", Text),
    Column("monthly_nanos", BigInteger),
    UniqueConstraint("digest"),
    Index(None, "user_id"),
)


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Fixed limits of one API key; None: none."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


NO_LIMITS = KeyLimits()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as proven by an API key."""

    user_id: str
    api_key_id: str
    api_key_name: str
    masked_key: str
    currency: Currency
    limits: KeyLimits = NO_LIMITS
    rules: KeyRules = NO_RULES


@dataclass(frozen=True, slots=True)
class APIKey:
    """What is known of a key. The secret is not among it."""

    id: str
    user_id: str
    name: str
    masked: str
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    limits: KeyLimits = NO_LIMITS
    rules: KeyRules = NO_RULES


def create_api_key(
    conn: Connection,
    *,
    user_id: str,
    name: str,
    now: datetime,
    expires_at: datetime | None = None,
    limits: KeyLimits = NO_LIMITS,
    rules: KeyRules = NO_RULES,
) -> tuple[APIKey, str]:
    """A new key and its secret, which exists nowhere else. InvalidRequestError for an odd name or
    limit, an expiry in the past or too many keys; NotFoundError for an unknown user."""
    if expires_at is not None and expires_at <= now:
        raise InvalidRequestError("the key would have expired before it was made")
    get_user(conn, user_id)
    if _num_usable(conn, user_id) >= NUM_KEYS_MAX:
        raise InvalidRequestError(f"a user has at most {NUM_KEYS_MAX} API keys; revoke one first")
    secret = "sk-" + secrets.token_hex(16)
    key = APIKey(
        id=new_id("key"),
        user_id=user_id,
        name=_checked_name(name),
        masked=mask(secret),
        created_at=now,
        expires_at=expires_at,
        limits=_checked_limits(limits),
        rules=rules,
    )
    values = {column: getattr(key, column) for column in _KEY_FIELDS} | asdict(limits)
    conn.execute(insert(api_keys).values(**values, **_stored(rules), digest=_digest(secret)))
    return key, secret


def mask(secret: str) -> str:
    """Enough to tell one's keys apart, as the usage export writes it: `sk-1bb****7cee7`."""
    return f"{secret[:6]}****{secret[-5:]}"


def authenticate(conn: Connection, secret: str, now: datetime) -> Caller | None:
    """Who owns this key; None for unknown, revoked and expired keys and suspended users alike.

    The key is found by its digest; the digests are then compared in constant time, so the
    answer's timing does not depend on how much of a guess was right."""
    if not _SECRET.fullmatch(secret):
        return None
    digest = _digest(secret)
    row = _FIND.row(conn, {"digest": digest, "now": micros_from_instant(now)})
    if row is None or not hmac.compare_digest(row[0], digest):
        return None
    _, user_id, api_key_id, name, masked, currency, *rest = row
    limits = KeyLimits(*rest[: len(_LIMIT_FIELDS)])
    rules = _rules_from(*rest[len(_LIMIT_FIELDS) :])
    return Caller(user_id, api_key_id, name, masked, Currency(currency), limits, rules)


def list_api_keys(conn: Connection, user_id: str | None = None) -> list[APIKey]:
    """Newest last, revoked ones included; of one user, or of all."""
    query = select(*_COLUMNS).order_by(api_keys.c.created_at, api_keys.c.id)
    if user_id is not None:
        query = query.where(api_keys.c.user_id == user_id)
    return [_key_from_row(row) for row in conn.execute(query)]


def revoke_api_key(
    conn: Connection, api_key_id: str, now: datetime, *, user_id: str | None = None
) -> APIKey:
    """From the commit on the key opens nothing, in any process. Harmless when repeated.

    With `user_id` only that user's keys are seen: NotFoundError for anyone else's."""
    scope = [api_keys.c.id == api_key_id]
    if user_id is not None:
        scope.append(api_keys.c.user_id == user_id)
    unrevoked = update(api_keys).where(*scope, api_keys.c.revoked_at.is_(None))
    conn.execute(unrevoked.values(revoked_at=now))
    row = conn.execute(select(*_COLUMNS).where(*scope)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no API key {api_key_id}")
    return _key_from_row(row)


def touch_api_keys(conn: Connection, last_used: Mapping[str, datetime]) -> None:
    """Write down when keys were last used; see LastUsed."""
    if last_used:
        rows = [
            {"key": key, "instant": micros_from_instant(instant)}
            for key, instant in sorted(last_used.items())
        ]
        _TOUCH.run_many(conn, rows)


class LastUsed:
    """Collects key uses in memory, so that a busy key costs one write a minute at most."""

    def __init__(
        self, interval: timedelta = timedelta(minutes=1), num_keys_max: int = 10_000
    ) -> None:
        self._interval = interval
        self._num_keys_max = num_keys_max
        self._pending: dict[str, datetime] = {}
        self._due_at: datetime | None = None

    def note(self, api_key_id: str, now: datetime) -> None:
        """Beyond the limit of remembered keys a use is forgotten: the figure is a courtesy."""
        if api_key_id in self._pending or len(self._pending) < self._num_keys_max:
            self._pending[api_key_id] = now

    def due(self, now: datetime) -> Mapping[str, datetime]:
        """What to hand to touch_api_keys now: everything since last time once a minute has
        passed, else nothing."""
        if not self._pending or (self._due_at is not None and now < self._due_at):
            return {}
        pending, self._pending = self._pending, {}
        self._due_at = now + self._interval
        return pending


_LIMIT_FIELDS = KeyLimits.__slots__
_RULE_FIELDS = KeyRules.__slots__
_KEY_FIELDS = [name for name in APIKey.__slots__ if name not in ("limits", "rules")]
_COLUMNS = [api_keys.c[name] for name in [*_KEY_FIELDS, *_LIMIT_FIELDS, *_RULE_FIELDS]]

_FIND = Prepared(
    select(
        api_keys.c.digest,
        api_keys.c.user_id,
        api_keys.c.id,
        api_keys.c.name,
        api_keys.c.masked,
        users.c.currency,
        *(api_keys.c[name] for name in [*_LIMIT_FIELDS, *_RULE_FIELDS]),
    )
    .join(users, users.c.id == api_keys.c.user_id)
    .where(
        api_keys.c.digest == bindparam("digest"),
        api_keys.c.revoked_at.is_(None),
        or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > bindparam("now")),
        users.c.suspended_at.is_(None),
    )
)

_TOUCH = Prepared(
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key"),
        or_(
            api_keys.c.last_used_at.is_(None),
            api_keys.c.last_used_at < bindparam("instant"),
        ),
    )
    .values(last_used_at=bindparam("instant"))
)


def _num_usable(conn: Connection, user_id: str) -> int:
    query = select(func.count()).where(
        api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None)
    )
    return conn.execute(query).scalar_one()


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not 1 <= len(stripped) <= NAME_LENGTH_MAX or not stripped.isprintable():
        raise InvalidRequestError(f"a key's name has 1 to {NAME_LENGTH_MAX} printable characters")
    return stripped


def _checked_limits(limits: KeyLimits) -> KeyLimits:
    for name, value in asdict(limits).items():
        if value is not None and not 1 <= value <= LIMIT_MAX:
            raise InvalidRequestError(f"a key's {name} is from 1 to {LIMIT_MAX}, or not limited")
    return limits


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def _key_from_row(row: Row[*tuple[Any, ...]]) -> APIKey:
    values = row._mapping
    limits = KeyLimits(*(values[api_keys.c[name]] for name in _LIMIT_FIELDS))
    rules = _rules_from(*(values[api_keys.c[name]] for name in _RULE_FIELDS))
    fields = {name: values[api_keys.c[name]] for name in _KEY_FIELDS}
    return APIKey(**fields, limits=limits, rules=rules)


def _stored(rules: KeyRules) -> dict[str, str | int | None]:
    """Lists as words between blanks; null where there is no rule."""
    return {
        "models": " ".join(rules.models) or None,
        "networks": " ".join(rules.networks) or None,
        "monthly_nanos": rules.monthly_nanos,
    }


def _rules_from(models: str | None, networks: str | None, monthly_nanos: int | None) -> KeyRules:
    if models is None and networks is None and monthly_nanos is None:
        return NO_RULES
    return KeyRules(words(models), words(networks), monthly_nanos)
