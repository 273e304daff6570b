"""The delivery journal: how many tokens each running request produced, kept outside the process.

A request's tokens are billed when it ends. If this process is killed before that, what was
delivered must still be billed, so every delivery is first noted in a memory-mapped file: two
stores into shared memory, no system call, and the pages outlive the process (kill -9 included).
At the next start the recovery reads the journals of dead instances and settles their holds.

One file per instance, locked while its owner lives. A file is a row of fixed records:
hold id (48 bytes, ASCII, zero padded); prompt, cached, completion and reasoning tokens as
little-endian uint32; then the length (uint16) and bytes of a context, which this module does not
read: whatever the recovery needs to write the usage record. A record whose first byte is zero is
free.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_ID_BYTES = 48
_COUNTS = struct.Struct("<IIII")
_LENGTH = struct.Struct("<H")
RECORD_BYTES = 1024
_CONTEXT_START = _ID_BYTES + _COUNTS.size + _LENGTH.size
CONTEXT_BYTES_MAX = RECORD_BYTES - _CONTEXT_START
_SLOTS_PER_EXTENT = 1024
_SLOTS_MAX = 65_536
_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True)
class Progress:
    """What the engine had produced for one hold when it was last noted."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class Entry:
    progress: Progress
    context: bytes


class JournalFullError(Exception):
    """More requests are running than a journal has records for."""


class Journal:
    """The journal this process writes. Not thread-safe: it belongs to the event loop's thread."""

    def __init__(self, directory: Path, instance_id: str) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = directory / (instance_id + _SUFFIX)
        self._file: BinaryIO = self.path.open("x+b")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._num_slots = 0
        self._free: list[int] = []
        self._file.truncate(_SLOTS_PER_EXTENT * RECORD_BYTES)
        self._map = mmap.mmap(self._file.fileno(), _SLOTS_PER_EXTENT * RECORD_BYTES)
        self._add_slots(_SLOTS_PER_EXTENT)

    def open(self, hold_id: str, context: bytes = b"") -> int:
        """Reserve a record for a hold and return its slot. Raises JournalFullError."""
        encoded = hold_id.encode("ascii")
        assert 0 < len(encoded) <= _ID_BYTES
        assert len(context) <= CONTEXT_BYTES_MAX
        if not self._free:
            self._grow()
        slot = self._free.pop()
        start = slot * RECORD_BYTES
        _COUNTS.pack_into(self._map, start + _ID_BYTES, 0, 0, 0, 0)
        _LENGTH.pack_into(self._map, start + _ID_BYTES + _COUNTS.size, len(context))
        self._map[start + _CONTEXT_START : start + _CONTEXT_START + len(context)] = context
        # The first byte marks the record as used, so it is written last.
        self._map[start + 1 : start + _ID_BYTES] = encoded[1:].ljust(_ID_BYTES - 1, b"\0")
        self._map[start : start + 1] = encoded[:1]
        return slot

    def note(self, slot: int, progress: Progress) -> None:
        """Note what is about to be delivered; call it before the bytes leave."""
        _COUNTS.pack_into(
            self._map,
            slot * RECORD_BYTES + _ID_BYTES,
            progress.prompt_tokens,
            progress.cached_tokens,
            progress.completion_tokens,
            progress.reasoning_tokens,
        )

    def close_slot(self, slot: int) -> None:
        """The hold is resolved; its record can be used again."""
        self._map[slot * RECORD_BYTES : slot * RECORD_BYTES + 1] = b"\0"
        self._free.append(slot)

    def close(self) -> None:
        """End the journal. The file is removed only when no record is open, so that a hold that
        could not be resolved stays recoverable."""
        is_empty = len(self._free) == self._num_slots
        self._map.flush()
        self._map.close()
        if is_empty:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _grow(self) -> None:
        num_slots = min(self._num_slots * 2, _SLOTS_MAX)
        if num_slots == self._num_slots:
            raise JournalFullError(f"{_SLOTS_MAX} requests are running in this process already")
        self._file.truncate(num_slots * RECORD_BYTES)
        self._map.resize(num_slots * RECORD_BYTES)
        self._add_slots(num_slots)

    def _add_slots(self, num_slots: int) -> None:
        self._free.extend(range(num_slots - 1, self._num_slots - 1, -1))
        self._num_slots = num_slots


@dataclass(frozen=True, slots=True)
class DeadJournal:
    """What an instance that no longer lives has left behind."""

    instance_id: str
    path: Path
    entries: dict[str, Entry]


def dead_journals(directory: Path) -> Iterator[DeadJournal]:
    """Yield the journals whose owners are gone. Each stays locked while it is being handled, so
    two starting processes never settle the same one."""
    for path in sorted(directory.glob("*" + _SUFFIX)):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not path.exists():
                continue
            yield DeadJournal(path.stem, path, _read_records(file))


def _read_records(file: BinaryIO) -> dict[str, Entry]:
    entries = {}
    size = os.fstat(file.fileno()).st_size
    for _ in range(size // RECORD_BYTES):
        record = file.read(RECORD_BYTES)
        if record[0] == 0:
            continue
        hold_id = record[:_ID_BYTES].rstrip(b"\0").decode("ascii")
        progress = Progress(*_COUNTS.unpack_from(record, _ID_BYTES))
        (length,) = _LENGTH.unpack_from(record, _ID_BYTES + _COUNTS.size)
        entries[hold_id] = Entry(progress, record[_CONTEXT_START : _CONTEXT_START + length])
    return entries
