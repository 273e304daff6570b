"""The delivery journal: records survive the death of their writer, and only the dead are read."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whalefall.serving.journal import Entry, Journal, Progress, dead_journals

_WRITER = """
import sys, time
from pathlib import Path
from whalefall.serving.journal import Journal, Progress
journal = Journal(Path(sys.argv[1]), "inst_dead")
slot = journal.open("hold-one", b"who and what")
journal.note(slot, Progress(100, 64, 7, 3))
finished = journal.open("hold-two")
journal.close_slot(finished)
print("noted", flush=True)
time.sleep(60)
"""


def test_kill_dash_nine_leaves_what_was_noted(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "noted\n"
        assert list(dead_journals(tmp_path)) == [], "its owner is still alive"
        writer.send_signal(signal.SIGKILL)
    (dead,) = dead_journals(tmp_path)
    assert dead.instance_id == "inst_dead"
    assert dead.entries == {"hold-one": Entry(Progress(100, 64, 7, 3), b"who and what")}


def test_journal_without_open_records_leaves_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "inst_a")
    journal.close_slot(journal.open("hold"))
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_journal_with_an_open_record_stays_for_the_recovery(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "inst_a")
    journal.note(journal.open("hold"), Progress(1, 0, 1, 0))
    journal.close()
    (dead,) = dead_journals(tmp_path)
    assert dead.entries == {"hold": Entry(Progress(1, 0, 1, 0), b"")}


def test_journal_grows_beyond_its_first_extent(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "inst_a")
    slots = [journal.open(f"hold-{index}") for index in range(3000)]
    for index, slot in enumerate(slots):
        journal.note(slot, Progress(index, 0, index, 0))
    journal.close()
    (dead,) = dead_journals(tmp_path)
    assert dead.entries == {f"hold-{i}": Entry(Progress(i, 0, i, 0), b"") for i in range(3000)}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2**32 - 1)), max_size=60))
def test_records_equal_the_open_holds_after_any_history(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, "inst_a")
    expected: dict[str, Entry] = {}
    slots: dict[str, int] = {}
    for number, (opens, count) in enumerate(steps):
        if opens or not slots:
            hold_id = f"hold-{number}"
            context = hold_id.encode() * (count % 50)
            progress = Progress(count, count // 2, count // 3, count // 5)
            slots[hold_id] = journal.open(hold_id, context)
            journal.note(slots[hold_id], progress)
            expected[hold_id] = Entry(progress, context)
        else:
            hold_id, slot = slots.popitem()
            journal.close_slot(slot)
            del expected[hold_id]
    journal.close()
    found = {k: v for dead in dead_journals(folder) for k, v in dead.entries.items()}
    assert found == expected
