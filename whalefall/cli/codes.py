"""`whalefall codes …`: create (CSV, shown once), list, revoke."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from whalefall.base.clock import SystemClock
from whalefall.base.errors import PlatformError
from whalefall.base.money import Currency, nanos_from_text, text_from_nanos
from whalefall.billing.code_batches import (
    CodeBatch,
    NewBatch,
    create_codes,
    get_batch,
    list_batches,
    list_codes,
    revoke_batch,
)
from whalefall.cli.audited import Deed, run_audited
from whalefall.cli.output import (
    AsJSON,
    DataDir,
    fail,
    instant_from_text,
    open_database,
    write_json,
    write_record,
    write_rows,
)

app = typer.Typer(help="Redemption codes. Only digests are stored.", no_args_is_help=True)
BatchArgument = Annotated[str, typer.Argument(help="The batch's id, as `codes list` shows it.")]


@app.command()
def create(
    amount: Annotated[str, typer.Argument(help="What each use gives, such as 12.50.")],
    currency: Annotated[Currency, typer.Option(help="CNY or USD.")],
    count: Annotated[int, typer.Option(help="How many codes.")] = 1,
    uses: Annotated[int, typer.Option(help="How many accounts may use each code.")] = 1,
    days: Annotated[
        int | None, typer.Option(help="How long the grant lasts; for ever when not given.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Last day (UTC) to redeem, e.g. 2027-01-31.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Shown to whoever redeems one.")] = "",
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Make a batch of codes and write them as CSV. They cannot be shown again."""
    with open_database(data_dir) as database:
        try:
            new = NewBatch(
                reason=reason,
                currency=currency,
                amount_nanos=nanos_from_text(amount),
                num_codes=count,
                now=SystemClock().now(),
                num_uses_max=uses,
                grant_days=days,
                expires_at=instant_from_text(expires) if expires else None,
            )
            deed = Deed[tuple[CodeBatch, tuple[str, ...]]](
                "codes.created", lambda made: made[0].id, f"{count} codes of {amount} {currency}"
            )
            batch, codes = run_audited(database, deed, create_codes, new)
        except (PlatformError, ValueError) as error:
            fail(str(error))
    if as_json:
        write_json({**_row(batch), "codes": list(codes)})
    else:
        sys.stdout.write("".join(f"{line}\n" for line in ("code", *codes)))


@app.command("list")
def list_(
    batch: Annotated[str | None, typer.Option(help="The codes of this batch, masked.")] = None,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """List batches, newest first, or the codes of one by their first characters."""
    with open_database(data_dir) as database:
        rows: list[dict[str, object]]
        if batch is None:
            rows = [_row(each) for each in database.run(list_batches)]
        else:
            try:
                database.run(get_batch, batch)
            except PlatformError as error:
                fail(error.message)
            rows = [
                {"code": each.stub, "uses": each.num_uses, "uses_allowed": each.num_uses_max}
                for each in database.run(list_codes, batch)
            ]
    write_rows("Codes", rows, as_json=as_json)


@app.command()
def revoke(batch_id: BatchArgument, data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Withdraw a batch: its codes give nothing any more. What they gave stays."""
    with open_database(data_dir) as database:
        try:
            deed = Deed[CodeBatch]("codes.revoked", lambda batch: batch.id)
            batch = run_audited(database, deed, revoke_batch, batch_id, SystemClock().now())
        except PlatformError as error:
            fail(error.message)
    write_record("Codes", _row(batch), as_json=as_json)


def _row(batch: CodeBatch) -> dict[str, object]:
    return {
        "id": batch.id,
        "reason": batch.reason,
        "currency": batch.currency.value,
        "amount": text_from_nanos(batch.amount_nanos),
        "codes": batch.num_codes,
        "uses_allowed": batch.num_uses_max,
        "uses": batch.num_uses,
        "grant_days": batch.grant_days,
        "expires_at": batch.expires_at.isoformat() if batch.expires_at else None,
        "created_at": batch.created_at.isoformat(),
        "revoked_at": batch.revoked_at.isoformat() if batch.revoked_at else None,
    }
