"""What is sealed opens with the right key in the right place only, and a wrong key is noticed."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.support.fake_clock import FakeClock
from whalefall.accounts.identity_vault import (
    IdentityVault,
    adopt_vault,
    create_identity_key,
    has_vault,
    read_identity_key,
    vault_at,
)
from whalefall.app import open_identity_vault
from whalefall.base.db import Database
from whalefall.base.errors import ServerError
from whalefall.settings import Settings

ONE, OTHER = IdentityVault(bytes(32)), IdentityVault(bytes([1] * 32))


def test_what_is_sealed_opens_in_its_own_row_only() -> None:
    sealed = ONE.seal(b"a number", "row_1")
    assert b"a number" not in sealed
    assert ONE.open(sealed, "row_1") == b"a number"
    assert ONE.seal(b"a number", "row_1") != sealed, "never the same twice"
    altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for vault, content, row in (
        (ONE, sealed, "row_2"),
        (OTHER, sealed, "row_1"),
        (ONE, altered, "row_1"),
        (ONE, sealed[:20], "row_1"),
        (ONE, b"", "row_1"),
    ):
        with pytest.raises(ServerError, match="does not open"):
            vault.open(content, row)


def test_digests_are_equal_for_equal_texts_and_one_key_only() -> None:
    assert ONE.digest("x") == ONE.digest("x") != ONE.digest("y")
    assert ONE.digest("x") != OTHER.digest("x")


def test_a_vault_does_not_show_its_key() -> None:
    key = bytes(range(32))
    assert key.hex() not in f"{IdentityVault(key)!r} {IdentityVault(key)}"
    with pytest.raises(ValueError, match="32 bytes"):
        IdentityVault(b"short")


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "identity.key"
    assert read_identity_key(path) is None
    keys: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: keys.append(create_identity_key(path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_identity_key(path) == keys[0]
    assert [each.name for each in tmp_path.iterdir()] == ["identity.key"]


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31, "00" * 33, "\u00e9"])
def test_a_file_that_is_no_key_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identity.key"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.raises(ServerError, match=r"identity\.key"):
        read_identity_key(path)


def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "identity.key"
    create_identity_key(path)
    path.chmod(0o644)
    with pytest.raises(ServerError, match="chmod 600"):
        vault_at(path, may_create=True)


def test_a_database_belongs_to_its_first_key(database: Database, clock: FakeClock) -> None:
    assert not database.run(has_vault)
    database.run(adopt_vault, ONE, clock.now())
    database.run(adopt_vault, ONE, clock.now())
    assert database.run(has_vault)
    with pytest.raises(ServerError, match="does not fit this database"):
        database.run(adopt_vault, OTHER, clock.now())


def test_a_start_makes_the_key_and_never_a_second_one(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    path = tmp_path / "identity.key"
    first = asyncio.run(open_identity_vault(settings, database, clock))
    again = asyncio.run(open_identity_vault(settings, database, clock))
    assert first.fingerprint == again.fingerprint
    kept = path.read_text("ascii")
    path.unlink()
    with pytest.raises(ServerError, match="is missing"):
        asyncio.run(open_identity_vault(settings, database, clock))
    path.write_text("00" * 32, "ascii")
    path.chmod(0o600)
    with pytest.raises(ServerError, match="does not fit"):
        asyncio.run(open_identity_vault(settings, database, clock))
    elsewhere = tmp_path / "elsewhere.key"
    elsewhere.write_text(kept, "ascii")
    elsewhere.chmod(0o600)
    moved = Settings(data_dir=tmp_path, identity_key_file=elsewhere)
    found = asyncio.run(open_identity_vault(moved, database, clock))
    assert found.fingerprint == first.fingerprint
