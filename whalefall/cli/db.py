"""`whalefall db upgrade`: bring the database's schema to this version."""

from __future__ import annotations

import typer
from sqlalchemy.engine import make_url

from whalefall.base.db import upgrade as upgrade_database
from whalefall.cli.output import AsJSON, DataDir, settings_from, write_record

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command()
def upgrade(data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Create or upgrade the schema. Harmless when it is current; `serve` does it by itself."""
    settings = settings_from(data_dir=data_dir)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    upgrade_database(settings.resolved_database_url)
    url = make_url(settings.resolved_database_url).render_as_string(hide_password=True)
    write_record("Database", {"url": url, "state": "current"}, as_json=as_json)
