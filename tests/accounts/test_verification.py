"""Claims, decisions, and to whom a number belongs, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.support.fake_clock import FakeClock
from tests.support.identities import (
    PDF,
    VAULT,
    claim_of,
    credit_code,
    resident_number,
    verified,
)
from whalefall.accounts.closure import close_account
from whalefall.accounts.identity_numbers import WrongNumberError
from whalefall.accounts.users import User, create_user, suspend_user
from whalefall.accounts.verification import (
    Claim,
    Verification,
    VerificationKind,
    VerificationState,
    approve_verification,
    full_number,
    get_verification,
    list_verifications,
    reject_verification,
    submit_claim,
    verifications_of,
    verified_identity,
)
from whalefall.accounts.verification_documents import (
    DOCUMENT_BYTES_MAX,
    Document,
    checked_document,
    document_of,
    has_document,
)
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError, NotFoundError

OPERATOR = "operator@example.org"
ENTERPRISE = VerificationKind.ENTERPRISE
NUMBER = resident_number(42)
CODE = credit_code(42)


@pytest.fixture
def person(database: Database, clock: FakeClock) -> Callable[[str], User]:
    return lambda name: database.run(create_user, email=f"{name}@example.org", now=clock.now())


@pytest.fixture
def submit(database: Database, clock: FakeClock) -> Callable[[Claim], Verification]:
    return lambda claim: database.run(submit_claim, VAULT, claim, clock.now())


Person = Callable[[str], User]
Submit = Callable[[Claim], Verification]


def test_a_claim_waits_and_is_in_force_once_approved(
    database: Database, clock: FakeClock, person: Person, submit: Submit
) -> None:
    ann = person("ann")
    made = submit(claim_of(ann, name="  Ann   Example ", number=NUMBER))
    assert (made.state, made.name) == (VerificationState.WAITING, "Ann Example")
    assert made.masked_number == "9" + "*" * 16 + NUMBER[-1]
    assert database.run(verified_identity, ann.id) is None
    clock.advance(60)
    approved = database.run(approve_verification, made.id, OPERATOR, clock.now())
    assert (approved.state, approved.decided_by) == (VerificationState.APPROVED, OPERATOR)
    identity = database.run(verified_identity, ann.id)
    assert identity is not None
    assert (identity.kind, identity.name) == (VerificationKind.PERSONAL, "Ann Example")
    assert identity.verified_at == clock.now()
    assert database.run(full_number, VAULT, made.id) == NUMBER


def test_a_number_is_bound_to_one_account_until_it_is_rejected(
    database: Database, clock: FakeClock, person: Person, submit: Submit
) -> None:
    ann, bob = person("ann"), person("bob")
    made = submit(claim_of(ann, number=NUMBER))
    with pytest.raises(WrongNumberError, match="bound to another account"):
        submit(claim_of(bob, number=NUMBER))
    assert database.run(verifications_of, bob.id) == []
    rejected = database.run(reject_verification, made.id, "blurred", OPERATOR, clock.now())
    assert (rejected.state, rejected.reason) == (VerificationState.REJECTED, "blurred")
    with pytest.raises(NotFoundError):
        database.run(full_number, VAULT, made.id)
    taken = submit(claim_of(bob, number=NUMBER))
    database.run(approve_verification, taken.id, OPERATOR, clock.now())
    with pytest.raises(WrongNumberError):
        submit(claim_of(ann, number=NUMBER))


def test_of_two_accounts_that_claim_a_number_at_once_one_gets_it(
    database_url: str, database: Database, clock: FakeClock, person: Person
) -> None:
    people = [person(f"user{index}") for index in range(8)]
    start, outcomes = threading.Barrier(len(people)), []

    def claim(user: User) -> None:
        with Database.open(database_url) as mine:
            start.wait()
            try:
                mine.run(submit_claim, VAULT, claim_of(user, number=NUMBER), clock.now())
                outcomes.append(True)
            except WrongNumberError:
                outcomes.append(False)

    threads = [threading.Thread(target=claim, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]
    assert len(database.run(list_verifications)) == 1


def test_one_claim_at_a_time(person: Person, submit: Submit) -> None:
    ann = person("ann")
    submit(claim_of(ann))
    with pytest.raises(InvalidRequestError, match="being checked"):
        submit(claim_of(ann))
    with pytest.raises(InvalidRequestError, match="being checked"):
        submit(claim_of(ann, ENTERPRISE))


def test_a_company_follows_a_person_and_nothing_follows_a_company(
    database: Database, clock: FakeClock, person: Person, submit: Submit
) -> None:
    ann, bob = person("ann"), person("bob")
    verified(database, ann)
    with pytest.raises(InvalidRequestError, match="verified already"):
        submit(claim_of(ann))
    mine = database.run(verifications_of, ann.id)[0]
    number = database.run(full_number, VAULT, mine.id)
    made = submit(claim_of(ann, ENTERPRISE, "Example Whale Ltd", CODE))
    before = database.run(verified_identity, ann.id)
    assert before is not None
    assert before.kind is VerificationKind.PERSONAL, "in force until the company is approved"
    database.run(approve_verification, made.id, OPERATOR, clock.now())
    now = database.run(verified_identity, ann.id)
    assert now is not None
    assert (now.kind, now.name, now.masked_number) == (
        ENTERPRISE,
        "Example Whale Ltd",
        f"9199**********{CODE[-4:]}",
    )
    states = {each.state for each in database.run(verifications_of, ann.id)}
    assert states == {VerificationState.APPROVED, VerificationState.REPLACED}
    for kind in VerificationKind:
        with pytest.raises(InvalidRequestError, match="cannot be changed"):
            submit(claim_of(ann, kind))
    submit(claim_of(bob, number=number))  # the person's number is free again


def test_what_was_decided_stays_decided(
    database: Database, clock: FakeClock, person: Person, submit: Submit
) -> None:
    made = submit(claim_of(person("ann")))
    database.run(approve_verification, made.id, OPERATOR, clock.now())
    with pytest.raises(InvalidRequestError, match="decided already"):
        database.run(approve_verification, made.id, OPERATOR, clock.now())
    with pytest.raises(InvalidRequestError, match="decided already"):
        database.run(reject_verification, made.id, "no", OPERATOR, clock.now())
    with pytest.raises(NotFoundError):
        database.run(approve_verification, "verification_none", OPERATOR, clock.now())


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301, "two\nlines"])
def test_a_rejection_says_why(
    database: Database, clock: FakeClock, person: Person, submit: Submit, reason: str
) -> None:
    made = submit(claim_of(person("ann")))
    with pytest.raises(InvalidRequestError, match="reason"):
        database.run(reject_verification, made.id, reason, OPERATOR, clock.now())
    assert database.run(get_verification, made.id).state is VerificationState.WAITING


@pytest.mark.parametrize("name", ["", " ", "A", "x" * 101, "Ann\x07Example"])
def test_odd_names_are_refused(person: Person, submit: Submit, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="name"):
        submit(claim_of(person("ann"), name=name))


def test_the_end_of_an_account_frees_its_number_and_forgets_the_rest(
    database: Database, clock: FakeClock, person: Person, submit: Submit
) -> None:
    ann, bob = person("ann"), person("bob")
    made = submit(claim_of(ann, ENTERPRISE, number=CODE))
    database.run(approve_verification, made.id, OPERATOR, clock.now())
    database.run(close_account, ann.id, clock.now())
    assert database.run(verified_identity, ann.id) is None
    assert database.run(verifications_of, ann.id) == []
    assert not database.run(has_document, made.id)
    submit(claim_of(bob, ENTERPRISE, number=CODE))


def test_suspended_and_unknown_users_claim_nothing(
    database: Database, clock: FakeClock, person: Person, submit: Submit
) -> None:
    ann = person("ann")
    claim = claim_of(ann)
    database.run(suspend_user, ann.id, clock.now())
    with pytest.raises(InvalidRequestError, match="not open"):
        submit(claim)
    with pytest.raises(NotFoundError):
        submit(Claim("user_none", VerificationKind.PERSONAL, "Ann Example", NUMBER))


def test_another_users_claim_is_not_there(
    database: Database, person: Person, submit: Submit
) -> None:
    made = submit(claim_of(person("ann")))
    with pytest.raises(NotFoundError):
        database.run(get_verification, made.id, user_id=person("bob").id)


def test_the_database_alone_tells_neither_numbers_nor_documents(
    database: Database, person: Person, submit: Submit
) -> None:
    made = submit(claim_of(person("ann"), ENTERPRISE, "Example Whale Ltd", CODE))
    submit(claim_of(person("bob"), number=NUMBER))
    rows = [
        *database.run(lambda conn: list(conn.execute(text("SELECT * FROM verifications")))),
        *database.run(
            lambda conn: list(conn.execute(text("SELECT * FROM verification_documents")))
        ),
    ]
    assert len(rows) == 3
    everything = b"|".join(
        bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode()
        for row in rows
        for cell in tuple(row)
    )
    for secret in (NUMBER.encode(), NUMBER[2:14].encode(), CODE.encode(), PDF, b"licence"):
        assert secret not in everything
    kept = database.run(document_of, VAULT, made.id)
    assert (kept.content_type, kept.content) == ("application/pdf", PDF)


def test_a_claim_never_shows_its_number() -> None:
    claim = Claim("user_1", VerificationKind.PERSONAL, "Ann Example", NUMBER)
    assert NUMBER not in repr(claim)
    assert "licence" not in repr(claim_of_licence())


def claim_of_licence() -> Document:
    return checked_document(PDF)


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 20
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 20 + b"\xff\xd9"


@pytest.mark.parametrize(("content", "extension"), [(PDF, "pdf"), (PNG, "png"), (JPEG, "jpg")])
def test_documents_are_known_by_their_content(content: bytes, extension: str) -> None:
    assert checked_document(content).extension == extension


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><script>alert(1)</script>",
        b"<svg onload='alert(1)'/>",
        b"GIF89a" + b"\0" * 100,
        b"MZ" + PDF,
        b"%PDF-1.4 without an end",
        b"\x89PNG\r\n\x1a\n",
        b"PK\x03\x04",
        PDF[:-6] + b"0" * DOCUMENT_BYTES_MAX + b"%%EOF",
    ],
)
def test_other_documents_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="PDF, PNG or JPEG"):
        checked_document(content)
