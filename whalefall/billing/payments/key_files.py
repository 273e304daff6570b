"""Files that hold the keys of a payment provider: read once, at the start, and refused when other
people of the machine could read a secret or exchange a public key."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

KEY_BYTES_MAX = 64 << 10
OTHERS_READ = 0o077
OTHERS_WRITE = 0o022

T = TypeVar("T")


class KeyFileError(Exception):
    """A key cannot be used. Says which setting names it and what to do; never what is in it."""


def read_secret(setting: str, path: Path, parse: Callable[[str], T]) -> T:
    """`parse` raises ValueError for what is no such key."""
    return _read(setting, path, parse, OTHERS_READ, "chmod 600")


def read_public(setting: str, path: Path, parse: Callable[[str], T]) -> T:
    return _read(setting, path, parse, OTHERS_WRITE, "chmod 644")


def _read(setting: str, path: Path, parse: Callable[[str], T], forbidden: int, remedy: str) -> T:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"{setting}: {path} cannot be read: {error.strerror}") from None
    if status.st_mode & forbidden or status.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(
            f"{setting}: {path} is open to other users of this machine: run `{remedy} {path}`, "
            "and let it belong to the user that runs whalefall"
        )
    try:
        text = content.decode("ascii").strip()
        if not text or len(content) > KEY_BYTES_MAX:
            raise ValueError("empty" if not text else "too long for a key")
        return parse(text)
    except ValueError as error:
        told = "not text" if isinstance(error, UnicodeDecodeError) else error
        raise KeyFileError(f"{setting}: {path} is {told}") from None
