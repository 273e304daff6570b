"""`whalefall serve`: one command from a fresh checkout to a running platform."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Connection
from starlette.types import ASGIApp
from typing_extensions import override

from whalefall.accounts.api_keys import create_api_key
from whalefall.accounts.passwords import hash_password
from whalefall.accounts.signup import (
    admins_with_generated_password,
    create_first_admin,
    generated_password,
)
from whalefall.accounts.users import list_users
from whalefall.api.connection import BoundedConnection
from whalefall.app import RunningPlatform, base_url, start_platform
from whalefall.base.clock import Clock, SystemClock
from whalefall.base.db import Database, upgrade
from whalefall.base.errors import PlatformError
from whalefall.base.log import configure_logging
from whalefall.base.money import Currency, nanos_from_text
from whalefall.billing.grants import GrantRequest, grant
from whalefall.cli.output import DataDir, fail, settings_from
from whalefall.engine.errors import EngineError
from whalefall.sandbox.server import Sandbox, open_sandbox
from whalefall.settings import Settings, SettingsError

ADMIN_EMAIL = "admin@localhost"
FIRST_KEY_NAME = "first key"
FIRST_GRANT = "100.00"


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a first start makes; both secrets are shown once and stored only hashed."""

    admin_email: str
    admin_password: str
    api_key: str


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
    data_dir: DataDir = None,
    model_dir: Annotated[
        Path | None, typer.Option(help="Checkpoint to serve instead of the embedded model.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    sandbox_payments: Annotated[
        bool,
        typer.Option(
            "--sandbox-payments", help="Play the payment providers, for trying out. No real money."
        ),
    ] = False,
) -> None:
    """Serve the API with the embedded model. Ctrl-C ends it; running requests are settled."""
    settings = settings_from(
        host=host, port=port, data_dir=data_dir, model_dir=model_dir, log_level=log_level
    )
    configure_logging(settings.log_level, human=sys.stderr.isatty())
    if not settings.model_dir.is_dir():
        fail(f"there is no model in {settings.model_dir}; name one with --model-dir")
    refuse_exposure(settings)
    if sandbox_payments:
        refuse_sandbox(settings)
    try:
        uvloop.run(_serve(settings, has_sandbox=sandbox_payments))
    except (EngineError, PlatformError, SettingsError, OSError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _serve(settings: Settings, *, has_sandbox: bool) -> None:
    console = Console()
    clock = SystemClock()
    bar = _progress_bar(console)
    task = bar.add_task("starting", total=1.0)

    def report(what: str, fraction: float) -> None:
        bar.update(task, description=what, completed=fraction)

    bar.start()
    try:
        async with contextlib.AsyncExitStack() as stack:
            sandbox = None
            if has_sandbox:
                sandbox = await stack.enter_async_context(open_sandbox(base_url(settings), clock))
            started = start_platform(settings, report, clock, sandbox)
            platform = await stack.enter_async_context(started)
            report("ready", 1.0)
            bar.stop()
            welcome = await platform.database.write(first_start, clock)
            await _listen(settings, platform, welcome, sandbox)
    finally:
        bar.stop()


def first_start(conn: Connection, clock: Clock) -> Welcome | None:
    """On an empty database: an admin with a generated password, which must be changed at the first
    sign-in, a grant and a first API key. None when there are users already."""
    if list_users(conn, limit=1):
        return None
    now = clock.now()
    password = generated_password()
    admin = create_first_admin(
        conn,
        email=ADMIN_EMAIL,
        password_hash=hash_password(password),
        currency=Currency.CNY,
        now=now,
    )
    assert admin is not None, "there was nobody a moment ago"
    request = GrantRequest(
        user_id=admin.id,
        currency=Currency.CNY,
        amount_nanos=nanos_from_text(FIRST_GRANT),
        idempotency_key="first start",
        reason="for trying things out",
        now=now,
        expires_at=None,
    )
    grant(conn, request)
    _, api_key = create_api_key(conn, user_id=admin.id, name=FIRST_KEY_NAME, now=now)
    return Welcome(admin.email, password, api_key)


def refuse_exposure(settings: Settings) -> None:
    """Ends the command when strangers could reach a console whose operator's password was printed
    on a terminal, or whose operator does not exist yet."""
    if is_loopback(settings.host):
        return
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    upgrade(settings.resolved_database_url)
    with Database.open(settings.resolved_database_url) as database:
        exposed = database.run_read(_exposed_admins)
    if exposed:
        fail(
            f"not listening on {settings.host}: {exposed} has no password of their own. Set one "
            "with `whalefall users password EMAIL`, or start on 127.0.0.1 first and sign in"
        )


def refuse_sandbox(settings: Settings) -> None:
    """Ends the command where make-believe money could be taken for real money."""
    for host in (settings.host, urlsplit(base_url(settings)).hostname or ""):
        if not is_loopback(host):
            fail(f"--sandbox-payments is for this machine alone, not for {host}")
    if settings.port == 0:
        fail("--sandbox-payments needs a port that is known beforehand; give --port")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _exposed_admins(conn: Connection) -> str:
    """Who must not be reachable yet; empty when all is well."""
    if not list_users(conn, limit=1):
        return "the operator, who would be made now,"
    return ", ".join(admin.email for admin in admins_with_generated_password(conn))


class _Server(uvicorn.Server):
    """uvicorn, telling when it listens: only then is the printed address true."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[int], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_listening(self.servers[0].sockets[0].getsockname()[1])


async def _listen(
    settings: Settings,
    platform: RunningPlatform,
    welcome: Welcome | None,
    sandbox: Sandbox | None,
) -> None:
    def greet(port: int) -> None:
        _print_welcome(settings, port, welcome, sandbox)

    await _Server(server_config(settings, platform.application), greet).serve()


def server_config(settings: Settings, application: ASGIApp) -> uvicorn.Config:
    """Whose X-Forwarded-For is believed is said here, and not left to the server's own idea of it,
    which trusts everyone on this machine."""
    return uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        http=BoundedConnection,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=75,
        timeout_graceful_shutdown=30,
    )


def _print_welcome(
    settings: Settings, port: int, welcome: Welcome | None, sandbox: Sandbox | None
) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}"
    key = welcome.api_key if welcome else "$WHALEFALL_API_KEY"
    lines = [
        "Whalefall is serving.",
        "",
        f"  API      {url}   (as base_url of the OpenAI SDK)",
        f"  Console  {url}",
        f"  Data     {settings.data_dir}",
    ]
    if sandbox:
        lines.append(f"  Payments {sandbox.url}   (a sandbox: no money is real)")
    if welcome:
        lines += [
            f"  API key  {welcome.api_key}   (shown once; it can spend {FIRST_GRANT} CNY)",
            f"  Admin    {welcome.admin_email}, password {welcome.admin_password}   "
            "(shown once; the first sign-in asks for another)",
        ]
    else:
        lines.append("  API key  make one: whalefall keys create --user EMAIL --name NAME")
    lines += [
        "",
        f"curl -N {url}/chat/completions \\",
        f'  -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\',
        '  -d \'{"model": "deepseek-chat", "stream": true, '
        '"messages": [{"role": "user", "content": "Hello!"}]}\'',
        "",
    ]
    # Plain text that no terminal width wraps, so that every line can be pasted as it stands.
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
    )
