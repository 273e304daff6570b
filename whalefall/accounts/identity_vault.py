"""Keeps identity numbers and documents unreadable to whoever has the database alone.

The key lies in a file outside the database. From it come two: one seals (AES-256-GCM, bound to the
row it stands in), one makes the keyed digest by which an equal number is found again. The database
remembers a digest of the key, so that a wrong key file is noticed at once and not by broken data.
There is no changing of keys: whoever loses the file loses the numbers, not the accounts."""

from __future__ import annotations

import hmac
import os
import secrets
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import CheckConstraint, Column, Connection, Integer, Table, Text, select
from sqlalchemy.dialects.postgresql import insert as upsert
from typing_extensions import override

from whalefall.base.errors import ServerError
from whalefall.base.tables import Instant, metadata

KEY_BYTES = 32
NONCE_BYTES = 12

identity_keys = Table(
    "identity_keys",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("id = 1", name="only_one"),
)


class IdentityVault:
    """Seals, opens and finds again. Holds the key; never shows it."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"an identity key has {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(_derived(key, b"whalefall identity sealing"))
        self._finder = _derived(key, b"whalefall identity finding")
        self.fingerprint = sha256(_derived(key, b"whalefall identity fingerprint")).hexdigest()

    def seal(self, plain: bytes, row_id: str) -> bytes:
        """Readable again only as part of the row with this id."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, row_id.encode())

    def open(self, sealed: bytes, row_id: str) -> bytes:
        """ServerError for what was sealed with another key or for another row, or altered."""
        try:
            nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
            return self._cipher.decrypt(nonce, rest, row_id.encode())
        except (InvalidTag, ValueError):
            raise ServerError(f"what {row_id} keeps sealed does not open with this key") from None

    def digest(self, text: str) -> str:
        """Equal for equal texts, worth nothing without the key: a plain hash of an identity number
        is undone by trying them all."""
        return hmac.new(self._finder, text.encode(), sha256).hexdigest()

    @override
    def __repr__(self) -> str:
        return f"IdentityVault({self.fingerprint[:8]})"


def vault_at(path: Path, *, may_create: bool) -> IdentityVault:
    """With the key in the file. ServerError when there is none and none may be made."""
    key = read_identity_key(path)
    if key is None and not may_create:
        raise ServerError(
            f"the identity key {path} is missing, and this database has numbers sealed with it; "
            "put the file back, or set identity_key_file to where it is"
        )
    return IdentityVault(create_identity_key(path) if key is None else key)


def read_identity_key(path: Path) -> bytes | None:
    """None when there is no such file; ServerError for one that is no key or open to others."""
    try:
        mode, text = path.stat().st_mode, path.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ServerError(f"cannot read the identity key {path}: {error}") from None
    if mode & 0o007:
        raise ServerError(f"everybody may use the identity key {path}; run `chmod 600` on it")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ServerError(f"{path} is no identity key: expected {2 * KEY_BYTES} hex digits")
    return key


def create_identity_key(path: Path) -> bytes:
    """A new one, for its owner's eyes only. Of two that do it at once both get the same."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    key = read_identity_key(path)
    assert key is not None, f"{path} vanished"
    return key


def has_vault(conn: Connection) -> bool:
    """Whether a key was ever used with this database."""
    return conn.execute(select(identity_keys.c.id)).first() is not None


def adopt_vault(conn: Connection, vault: IdentityVault, now: datetime) -> None:
    """The first vault belongs to the database from then on; ServerError for any other."""
    row = {"id": 1, "fingerprint": vault.fingerprint, "created_at": now}
    conn.execute(upsert(identity_keys).values(row).on_conflict_do_nothing())
    known = conn.execute(select(identity_keys.c.fingerprint)).scalar_one()
    if known != vault.fingerprint:
        raise ServerError(
            "the identity key does not fit this database: its identity numbers were sealed with "
            f"another (this one is {vault.fingerprint[:8]}, that one {known[:8]}). Put the right "
            "file back; identity_key_file says where it is looked for."
        )


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose).derive(key)
