"""Gives every invoice and credit note its file, once, and sends it: after the issuing, outside of
its transaction, because drawing takes longer than a transaction may. What a crash left undone is
found again by the console's chores."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from whalefall.accounts.closure import is_closed
from whalefall.accounts.users import get_user
from whalefall.base.db import Database
from whalefall.base.mail import queue_mail
from whalefall.billing.invoice_documents import Invoice, file_of, keep_file, without_file
from whalefall.console.language import Catalog, Language
from whalefall.console.letters import invoice_letter
from whalefall.console.papers.invoice_paper import catalog_language, invoice_pdf

Catalogs = Mapping[Language, Catalog]


async def make_papers(database: Database, catalogs: Catalogs, now: datetime) -> int:
    """Draw what has no file yet, and queue a letter with it; how many there were."""
    waiting = await database.read(without_file)
    for each in waiting:
        await paper_of(database, catalogs, each, now)
    return len(waiting)


async def paper_of(database: Database, catalogs: Catalogs, made: Invoice, now: datetime) -> bytes:
    """The file of one; drawn now where there is none. Of two that draw at once one is kept."""
    found = await database.read(file_of, made.id)
    if found is not None:
        return found
    catalog = catalogs[catalog_language(made.content)]
    drawn = await asyncio.to_thread(invoice_pdf, made.content, catalog)
    return await database.write(_keep, made, drawn, catalog, now)


def _keep(conn: Connection, made: Invoice, drawn: bytes, catalog: Catalog, now: datetime) -> bytes:
    if keep_file(conn, made.id, drawn, now):
        user = get_user(conn, made.user_id)
        if not is_closed(user):
            queue_mail(conn, invoice_letter(catalog, user.email, made, drawn), now)
        return drawn
    kept = file_of(conn, made.id)
    assert kept is not None
    return kept
