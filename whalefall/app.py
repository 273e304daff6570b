"""The composition root: builds every object once, in order, and hands back the running platform.

`start_platform` is for `serve`, which needs an engine; everything else opens the database alone,
so that commands and migrations work on a machine without one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from whalefall.accounts.identity_vault import IdentityVault, adopt_vault, has_vault, vault_at
from whalefall.accounts.signup import EmailDomainRule
from whalefall.api.endpoint import not_found
from whalefall.api.options import Era, WireOptions
from whalefall.api.routes import api_routes
from whalefall.base.clock import Clock, SystemClock
from whalefall.base.db import Database, upgrade
from whalefall.base.ids import new_id
from whalefall.base.money import Currency, nanos_from_text
from whalefall.base.smtp import SmtpServer, SmtpTransport
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.invoice_content import Seller
from whalefall.billing.price_book import PriceBook
from whalefall.billing.price_versions import register_prices
from whalefall.billing.price_windows import Calendar
from whalefall.billing.return_events import APPLIERS
from whalefall.billing.sign_up_grants import SignUpGrantRule
from whalefall.billing.virtual_accounts import BankAccount
from whalefall.billing.working_days import WorkingDays, load_calendar
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.tokenizer import Tokenizer, bundled_path
from whalefall.console.application import page_not_found, routes_of
from whalefall.console.chores import run_chores
from whalefall.console.context import ConsoleContext, build_console, cashier_of
from whalefall.console.language import load_catalogs
from whalefall.console.payment_chores import PaymentChores
from whalefall.console.postman import Postman
from whalefall.console.reconciler import Reconciler
from whalefall.console.refund_sender import RefundSender
from whalefall.engine.client import EngineClient, Progress
from whalefall.engine.clients.embedded import EmbeddedEngine
from whalefall.engine.config import EngineConfig
from whalefall.payment_setup import Providers, providers_from_sandbox, providers_from_settings
from whalefall.sandbox.server import Sandbox
from whalefall.serving.account_limits import AccountLimitsReader
from whalefall.serving.activity import ActivityRecorder, AnswerTally
from whalefall.serving.authentication import Authenticator
from whalefall.serving.backends import backends
from whalefall.serving.generation import ServingLimits
from whalefall.serving.housekeeping import Housekeeper
from whalefall.serving.journal import Journal
from whalefall.serving.local_platform import LocalPlatform
from whalefall.serving.metering import Meter
from whalefall.serving.models import (
    THINKING_TEMPERATURE,
    Alias,
    Comparison,
    ModelRegistry,
    ServedModel,
)
from whalefall.serving.platform import Base, Platform
from whalefall.serving.price_reader import PriceReader
from whalefall.serving.probes import Prober, ProbeTarget, model_target, page_target
from whalefall.settings import EMBEDDED_MODEL_DIR, AdditionalModel, Settings, SettingsError

BLOCK_SIZE = 64
SMALL_MODEL_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class RunningPlatform:
    """What `serve` needs once everything is up."""

    application: Starlette
    database: Database
    engine: EngineClient


@contextlib.asynccontextmanager
async def start_platform(
    settings: Settings,
    progress: Progress | None = None,
    clock: Clock | None = None,
    sandbox: Sandbox | None = None,
) -> AsyncIterator[RunningPlatform]:
    """Open the database, resolve what a dead predecessor left, load the model; on leaving, settle
    what runs and stop the engine. With a sandbox, nobody else is paid through."""
    clock = clock or SystemClock()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    upgrade(settings.resolved_database_url)
    async with contextlib.AsyncExitStack() as stack:
        database = Database.open(settings.resolved_database_url)
        stack.push_async_callback(database.close)
        instance_id = new_id("inst")
        journal_directory = settings.data_dir / "journal"
        journal = Journal(journal_directory, instance_id)
        stack.callback(journal.close)
        vault = await open_identity_vault(settings, database, clock)
        prices = await open_prices(settings, database, clock)
        meter = Meter(database, prices, clock, instance_id)
        authenticator = Authenticator(database, clock)
        housekeeper = Housekeeper(database, meter, authenticator, journal_directory, clock)
        await housekeeper.round()
        _run_beside(stack, housekeeper.run())
        engines = tuple(build_engine(settings, model) for model in settings.served_models)
        registry = build_registry(settings, engines)
        await _start_engines(stack, engines, progress)
        limits = serving_limits(settings)
        platform = LocalPlatform(
            authenticator=authenticator,
            registry=registry,
            meter=meter,
            journal=journal,
            clock=clock,
            limits=limits,
        )
        stack.push_async_callback(platform.close)
        limits_reader = AccountLimitsReader(database, platform.set_account_limits)
        console = replace(
            console_context(settings, database, clock, prices, platform, vault, sandbox),
            count_tokens=registry.default_model.count_tokens,
            backends=partial(backends, registry, clock),
            serving_limits=limits,
            limits_changed=limits_reader.read,
        )
        tally = AnswerTally(clock)
        application = build_application(platform, settings, console, tally)
        _run_beside(
            stack,
            limits_reader.run(),
            PriceReader(database, prices, clock).run(),
            Prober(probe_targets(registry, application, clock), database, clock).run(),
            ActivityRecorder(tally, registry.engines, database, clock).run(),
            *money_work(console),
            *([postman(settings, database, clock).run()] if settings.smtp_host else []),
        )
        yield RunningPlatform(application, database, engines[0])


async def open_prices(settings: Settings, database: Database, clock: Clock) -> CurrentPrices:
    """Of the files and of those announced in the database. SettingsError for an alias nobody could
    be charged for."""
    prices = CurrentPrices(load_prices(settings))
    await database.write(register_prices, [entry.price for entry in prices.files.listed()])
    await database.read(prices.read, clock.now())
    check_prices(settings, prices.book)
    return prices


def money_work(console: ConsoleContext) -> tuple[Coroutine[Any, Any, None], ...]:
    """What is done about money beside answering requests."""
    database, clock, providers = console.database, console.clock, console.payment_providers
    return (
        run_chores(database, clock, console.sign_up_grant),
        PaymentChores(database, clock, cashier_of(console), APPLIERS).run(),
        RefundSender(database, clock, providers, load_catalogs()).run(),
        Reconciler(database, clock, providers, load_catalogs()).run(),
    )


def build_application(
    platform: Platform, settings: Settings, console: ConsoleContext, tally: AnswerTally
) -> Starlette:
    options = WireOptions(
        era=Era.V3_2 if settings.api_era == "A" else Era.V4,
        comparisons=tuple(each.path for each in settings.comparison_endpoints),
    )
    built = build_console(console)
    application = Starlette(routes=[*api_routes(platform, options, tally.note), *routes_of(built)])
    # Programs get the wire's empty 404; a slash too many is an unknown path, not a redirect.
    application.router.default = page_not_found(built, not_found)
    application.router.redirect_slashes = False
    return application


def console_context(
    settings: Settings,
    database: Database,
    clock: Clock,
    prices: CurrentPrices,
    platform: Platform,
    vault: IdentityVault,
    sandbox: Sandbox | None = None,
) -> ConsoleContext:
    """What the console takes from the settings; the rest comes from what is running."""
    return ConsoleContext(
        database=database,
        clock=clock,
        prices=prices,
        platform=platform,
        base_url=base_url(settings),
        identity_vault=vault,
        email_domains=EmailDomainRule.of(
            settings.allowed_email_domains, settings.denied_email_domains
        ),
        sign_up_grant=sign_up_grant_rule(settings),
        service_email=settings.service_email,
        seller=Seller(
            name=settings.operator_name,
            tax_number=settings.operator_tax_number,
            address=settings.operator_address,
            bank=settings.operator_bank,
            bank_account=settings.operator_bank_account,
            tax_basis_points=settings.operator_tax_basis_points,
        ),
        working_days=WorkingDays(load_calendar("cn", calendars_of(settings))),
        shows_outbox=not settings.smtp_host,
        is_demonstration=settings.model_dir == EMBEDDED_MODEL_DIR,
        bank_account=bank_account(settings),
        payment_providers=payment_providers(settings, clock, sandbox),
        sandbox_url=sandbox.url if sandbox else "",
    )


def base_url(settings: Settings) -> str:
    """How people and payment providers reach the console."""
    return settings.public_url or f"http://{settings.host}:{settings.port}"


def payment_providers(settings: Settings, clock: Clock, sandbox: Sandbox | None) -> Providers:
    if sandbox is not None:
        return providers_from_sandbox(sandbox, base_url(settings), clock)
    return providers_from_settings(settings, base_url(settings), clock)


def sign_up_grant_rule(settings: Settings) -> SignUpGrantRule:
    """Raises SettingsError for what is not an amount."""
    amounts: dict[Currency, int] = {}
    for currency in Currency:
        key = f"sign_up_grant_{currency.lower()}"
        text = getattr(settings, key)
        try:
            amounts[currency] = nanos_from_text(text)
        except ValueError as error:
            raise SettingsError(f"{key}: {error}") from None
        if amounts[currency] < 0:
            raise SettingsError(f"{key} is {text}; it is an amount such as 10.00, or 0")
    return SignUpGrantRule(
        amounts,
        timedelta(days=settings.sign_up_grant_days),
        timedelta(days=settings.sign_up_grant_again_days),
    )


async def open_identity_vault(
    settings: Settings, database: Database, clock: Clock
) -> IdentityVault:
    """ServerError when the key is missing, or is not the one this database was used with."""
    is_used = await database.read(has_vault)
    vault = vault_at(settings.resolved_identity_key_file, may_create=not is_used)
    await database.write(adopt_vault, vault, clock.now())
    return vault


def bank_account(settings: Settings) -> BankAccount | None:
    """Where bank transfers arrive; None where there are none. Raises SettingsError for half of
    an account."""
    given = {
        name: getattr(settings, f"bank_account_{name}").strip()
        for name in ("number", "bank", "branch", "holder")
    }
    if not any(given.values()):
        return None
    for name, value in given.items():
        if not value:
            raise SettingsError(f"bank_account_{name} is empty; bank transfers need it, too")
    return BankAccount(**given, currency=Currency(settings.bank_account_currency))


def calendars_of(settings: Settings) -> dict[str, Calendar]:
    """The operator's own, by name."""
    return {
        name: Calendar(name, frozenset(days), frozenset(settings.make_up_days.get(name, ())))
        for name, days in settings.holidays.items()
    }


def load_prices(settings: Settings) -> PriceBook:
    """The platform's list under the operator's, with the operator's holidays."""
    calendars = calendars_of(settings)
    return PriceBook.load(settings.price_files, calendars)


def current_prices(settings: Settings, database: Database, clock: Clock) -> CurrentPrices:
    """The files with what was announced, for commands that run beside the server."""
    prices = CurrentPrices(load_prices(settings))
    database.run_read(prices.read, clock.now())
    return prices


def priced_names(settings: Settings) -> tuple[str, ...]:
    """The names people are charged for by these settings, priced already or not."""
    aliases = (alias.priced_as or alias.name for alias in settings.aliases)
    return (*aliases, *(model.name for model in settings.served_models))


def postman(settings: Settings, database: Database, clock: Clock) -> Postman:
    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        sender=settings.mail_sender,
        username=settings.smtp_username,
        password=settings.smtp_password,
    )
    return Postman(database, clock, SmtpTransport(server))


def probe_targets(
    registry: ModelRegistry, application: Starlette, clock: Clock
) -> tuple[ProbeTarget, ...]:
    """Every model name people call, and the console."""
    now = clock.now()
    models = [(name, registry.resolve(name, Base(), now).model) for name in registry.names(now)]
    return (
        *(model_target(name, each.engine, each.tokenizer.encode("Hi")) for name, each in models),
        page_target("console", application, "/status"),
    )


def serving_limits(settings: Settings) -> ServingLimits:
    return ServingLimits(
        keep_alive_seconds=settings.keep_alive_seconds,
        start_timeout_seconds=settings.start_timeout_seconds,
        queue_length_max=settings.queue_length_max,
    )


def check_prices(settings: Settings, prices: PriceBook) -> None:
    """Raises SettingsError for an alias nobody could be charged for."""
    listed = prices.models()
    for alias in settings.aliases:
        priced_as = alias.priced_as or alias.name
        if priced_as not in listed:
            raise SettingsError(
                f"the alias {alias.name} has no price: set its priced_as to a name of the price "
                f"list ({', '.join(listed)})"
            )


def kernels_dir(settings: Settings) -> Path | None:
    """Where native kernels are compiled and kept; None where PyTorch's are wanted."""
    return settings.data_dir / "kernels" if settings.native_kernels else None


def build_engine(settings: Settings, model: AdditionalModel) -> EmbeddedEngine:
    config = EngineConfig(
        model_dir=model.model_dir,
        dtype=settings.dtype,
        num_blocks=-(-settings.num_cache_tokens // BLOCK_SIZE),
        block_size=BLOCK_SIZE,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        max_num_seqs=settings.max_num_seqs,
        max_model_len=settings.max_model_len,
        num_threads=settings.num_threads or default_num_threads(model.model_dir),
        kernels_dir=kernels_dir(settings),
    )
    return EmbeddedEngine(
        config,
        model.name,
        settings.data_dir / "engine",
        tokenizer_path=tokenizer_path(model.model_dir),
    )


def default_num_threads(model_dir: Path) -> int:
    """One per core, but one alone for a small model: its operations are so short that threads
    mostly wait for each other, and for long when the machine does anything else besides."""
    num_bytes = sum(path.stat().st_size for path in model_dir.glob("*.safetensors"))
    return 1 if num_bytes < SMALL_MODEL_BYTES else os.cpu_count() or 1


def build_registry(settings: Settings, engines: Sequence[EngineClient]) -> ModelRegistry:
    """`engines` in the order of settings.served_models. Raises SettingsError when an alias or a
    comparison endpoint names a model that is not among them."""
    aliases = tuple(
        Alias(
            each.name,
            each.model or settings.model_name,
            each.thinking,
            each.effective_from,
            each.effective_until,
            each.priced_as or None,
        )
        for each in settings.aliases
    )
    comparisons = tuple(
        Comparison(
            each.path,
            each.model or settings.model_name,
            each.reported_model,
            each.expires_at,
            each.thinking_only,
        )
        for each in settings.comparison_endpoints
    )
    models = tuple(map(_served_model, settings.served_models, engines))
    try:
        return ModelRegistry(models, aliases, comparisons)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _served_model(model: AdditionalModel, engine: EngineClient) -> ServedModel:
    path = tokenizer_path(model.model_dir)
    tokenizer = Tokenizer.bundled() if path == bundled_path() else Tokenizer.from_file(path)
    return ServedModel(
        name=model.name,
        engine=engine,
        tokenizer=tokenizer,
        format=format_by_name(model.model_format, tokenizer),
        thinking_temperature=_thinking_temperature(model.model_dir),
    )


def tokenizer_path(model_dir: Path) -> Path:
    """The checkpoint's own tokenizer.json, or the bundled DeepSeek one when it brings none."""
    own = model_dir / "tokenizer.json"
    return own if own.is_file() else bundled_path()


def _thinking_temperature(model_dir: Path) -> float:
    path = model_dir / "generation_config.json"
    generation = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return float(generation.get("temperature", THINKING_TEMPERATURE))


async def _start_engines(
    stack: contextlib.AsyncExitStack, engines: Sequence[EngineClient], progress: Progress | None
) -> None:
    for engine in engines:
        stack.push_async_callback(engine.close)
        await engine.start(progress)


def _run_beside(stack: contextlib.AsyncExitStack, *work: Coroutine[Any, Any, None]) -> None:
    """Work that goes on until the platform stops."""
    for each in work:
        stack.push_async_callback(_end, asyncio.create_task(each))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
