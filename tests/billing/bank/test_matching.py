"""Which entry of a statement is known already: the rule by itself, without a database."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.bank_counter import PAYMENT
from whalefall.billing.bank_matching import StoredEntry, compare
from whalefall.billing.bank_statements.cells import plain_name
from whalefall.billing.bank_statements.entry import StatementEntry


class Store:
    """What an import keeps of entries of one kind."""

    def __init__(self) -> None:
        self.entries: list[StoredEntry] = []
        self._ids = count()

    def take_in(self, entries: list[StatementEntry]) -> int:
        """How many were new."""
        compared = compare(self.entries, entries)
        self.entries = [
            replace(each, reference=compared.learnt.get(each.id, each.reference))
            for each in self.entries
        ]
        for entry in compared.new:
            name = plain_name(entry.payer_name)
            self.entries.append(StoredEntry(str(next(self._ids)), entry.reference, name))
        return len(compared.new)


def payment(name: str = "甲", reference: str = "") -> StatementEntry:
    return replace(PAYMENT, payer_name=name, reference=reference)


PAYERS = st.lists(st.sampled_from("甲乙丙"), max_size=6)
"""Who made payments of one amount on one day, in order of booking."""
FORMATS = st.lists(st.booleans(), min_size=1, max_size=5)
"""Statements of that day, one after the other: with the bank's references or without."""


@settings(max_examples=100, deadline=None)
@given(payers=PAYERS, formats=FORMATS)
def test_statements_of_a_whole_day_add_each_payment_once(
    payers: list[str], formats: list[bool]
) -> None:
    store = Store()
    for has_references in formats:
        day = [
            payment(payer, f"R{index}" if has_references else "")
            for index, payer in enumerate(payers)
        ]
        store.take_in(day)
    assert Counter(each.name for each in store.entries) == Counter(payers)


@settings(max_examples=100, deadline=None)
@given(payers=PAYERS, data=st.data())
def test_with_references_any_parts_of_a_day_add_each_payment_once(
    payers: list[str], data: st.DataObject
) -> None:
    store = Store()
    day = [payment(payer, f"R{index}") for index, payer in enumerate(payers)]
    chosen = st.lists(st.sampled_from(day), unique_by=lambda each: each.reference) if day else None
    seen = set()
    for _ in range(data.draw(st.integers(0, 4))):
        part = data.draw(chosen) if chosen is not None else []
        seen |= {each.reference for each in part}
        store.take_in(part)
    assert sorted(each.reference for each in store.entries) == sorted(seen)


@settings(max_examples=100, deadline=None)
@given(payers=PAYERS, data=st.data())
def test_without_references_no_part_of_a_day_adds_too_much(
    payers: list[str], data: st.DataObject
) -> None:
    store = Store()
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(payers)))
        store.take_in([payment(payer) for payer in payers[:start]])
    stored = Counter(each.name for each in store.entries)
    assert stored <= Counter(payers)


def test_two_equal_payments_on_one_day_are_two() -> None:
    store = Store()
    assert store.take_in([payment()]) == 1
    assert store.take_in([payment(), payment()]) == 1
    assert store.take_in([payment(), payment()]) == 0


def test_a_reference_is_learnt_and_then_tells_apart() -> None:
    store = Store()
    store.take_in([payment()])
    assert store.take_in([payment(reference="R1")]) == 0
    assert store.take_in([payment(reference="R2")]) == 1
    assert store.take_in([payment(), payment()]) == 0
    assert {each.reference for each in store.entries} == {"R1", "R2"}


def test_a_name_that_another_format_writes_differently_is_known_by_its_reference() -> None:
    store = Store()
    store.take_in([payment("甲（上海）公司", "R1")])
    assert store.take_in([payment("甲（上海）公", "R1")]) == 0


def test_parts_of_a_bundle_share_a_reference() -> None:
    store = Store()
    bundle = [payment("甲", "R1"), payment("乙", "R1")]
    assert store.take_in(bundle) == 2
    assert store.take_in(list(reversed(bundle))) == 0
