"""The papers behind a claim: small files of three kinds, told by their content and kept sealed.

What a browser calls a file is not believed, neither its name nor its type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    Table,
    Text,
    delete,
    insert,
    select,
)

from whalefall.accounts.identity_vault import IdentityVault
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.tables import Instant, metadata

DOCUMENT_BYTES_MAX = 4 << 20
ODD_DOCUMENT = "Attach a PDF, PNG or JPEG file of at most 4 MB."

verification_documents = Table(
    "verification_documents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("verification_id", Text, ForeignKey("verifications.id"), nullable=False, unique=True),
    Column("content_type", Text, nullable=False),
    Column("content_sealed", LargeBinary, nullable=False),
    Column("kept_at", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Document:
    content_type: str
    content: bytes = field(repr=False)

    @property
    def extension(self) -> str:
        return _EXTENSIONS[self.content_type]


def checked_document(content: bytes) -> Document:
    """InvalidRequestError for what is too large or of no kind we keep."""
    content_type = _type_of(content) if len(content) <= DOCUMENT_BYTES_MAX else None
    if content_type is None:
        raise InvalidRequestError(ODD_DOCUMENT)
    return Document(content_type, content)


def keep_document(
    conn: Connection, vault: IdentityVault, verification_id: str, document: Document, now: datetime
) -> None:
    identifier = new_id("document")
    row = {
        "id": identifier,
        "verification_id": verification_id,
        "content_type": document.content_type,
        "content_sealed": vault.seal(document.content, identifier),
        "kept_at": now,
    }
    conn.execute(insert(verification_documents).values(row))


def document_of(conn: Connection, vault: IdentityVault, verification_id: str) -> Document:
    """NotFoundError when none is kept (any more)."""
    table = verification_documents.c
    query = select(table.id, table.content_type, table.content_sealed)
    row = conn.execute(query.where(table.verification_id == verification_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no document of {verification_id}")
    return Document(row.content_type, vault.open(bytes(row.content_sealed), row.id))


def has_document(conn: Connection, verification_id: str) -> bool:
    table = verification_documents.c
    query = select(table.id).where(table.verification_id == verification_id)
    return conn.execute(query).first() is not None


def delete_documents(conn: Connection, verification_ids: Sequence[str]) -> None:
    which = verification_documents.c.verification_id.in_(verification_ids)
    conn.execute(delete(verification_documents).where(which))


_EXTENSIONS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


def _type_of(content: bytes) -> str | None:
    if content.startswith(b"%PDF-") and b"%%EOF" in content[-1024:]:
        return "application/pdf"
    if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
        return "image/png"
    if content.startswith(b"\xff\xd8\xff") and content.rstrip(b"\0").endswith(b"\xff\xd9"):
        return "image/jpeg"
    return None
