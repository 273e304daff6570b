"""One frozen Settings: defaults, then whalefall.toml, then WHALEFALL_… variables, then the command
line. Only app.py and the commands see it; everyone else is handed plain values.

Every setting is one field of `Settings` with its help in the docstring below it; the environment
variable is the field's name in capitals behind `WHALEFALL_`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import platformdirs

EMBEDDED_MODEL_DIR = Path(__file__).resolve().parent.parent / "models" / "whalefall-tiny"
CONFIG_FILE_NAME = "whalefall.toml"
DEFAULT_DATA_DIR = Path(platformdirs.user_data_dir("whalefall", appauthor=False))

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class SettingsError(Exception):
    """A setting is wrong; the text names the key, the value and what is expected."""


class ModelAlias(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model name that callers may use for a served model, from and until stated instants."""

    name: str
    model: str = ""
    """One of `models`; empty: the model in model_dir."""
    thinking: bool | None = None
    """None: the request decides, thinking off unless it asks."""
    priced_as: str = ""
    """A name of the price list; empty: the alias's own."""
    effective_from: Instant | None = None
    effective_until: Instant | None = None


class ComparisonEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dated base path such as `v3.1_terminus_expires_on_20251015`, with its own model."""

    path: str
    reported_model: str
    expires_at: Instant
    model: str = ""
    """One of `models`; empty: the model in model_dir."""
    thinking_only: bool = False


class AdditionalModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model served beside the one in model_dir, by an engine process of its own."""

    name: str
    model_dir: Path
    model_format: Literal["v3", "v3.1", "v3.2"] = "v3.2"


class AlipaySettings(msgspec.Struct, frozen=True):
    """The `alipay_…` settings once all of them are there."""

    app_id: str
    seller_id: str
    app_private_key_file: Path
    public_key_file: Path
    gateway_url: str


class WechatPaySettings(msgspec.Struct, frozen=True):
    """The `wechatpay_…` settings once all of them are there."""

    app_id: str
    merchant_id: str
    merchant_serial: str
    merchant_private_key_file: Path
    api_v3_key_file: Path
    gateway_url: str
    public_key_id: str | None = None
    public_key_file: Path | None = None
    platform_certificate_files: tuple[Path, ...] = ()


class StripeSettings(msgspec.Struct, frozen=True):
    """The `stripe_…` settings once all of them are there."""

    secret_key: str
    webhook_secret: str
    api_base: str


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8000
    public_url: str = ""
    """How people reach the console, e.g. `https://whalefall.example.org`; empty means host and
    port. Behind https, cookies are marked Secure."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Database, journals and sockets live here."""
    database_url: str = ""
    """`sqlite:///…` or `postgresql://…`; empty means a SQLite file in data_dir."""
    identity_key_file: Path | None = None
    """The key that seals identity numbers; none means identity.key in data_dir, made on first use.
    Keep a copy apart from those of the database: without it the numbers are lost."""
    model_dir: Path = EMBEDDED_MODEL_DIR
    """A Hugging Face checkpoint directory."""
    model_format: Literal["v3", "v3.1", "v3.2"] = "v3.2"
    """The chat format the model was trained with: v3, v3.1 or v3.2."""
    max_model_len: Annotated[int, msgspec.Meta(ge=64)] = 131_072
    """Prompt plus output, in tokens."""
    num_cache_tokens: Annotated[int, msgspec.Meta(ge=1024)] = 262_144
    """Room for keys and values in RAM, in tokens; rounded up to whole blocks of 64."""
    max_num_seqs: Count = 64
    """Requests decoded together in one step."""
    max_num_batched_tokens: Annotated[int, msgspec.Meta(ge=16)] = 512
    """Tokens computed in one engine step, prefill and decode together."""
    num_threads: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Threads of the engine; 0 means one per core, and one alone for a small model."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the engine computes in: float32 or bfloat16."""
    native_kernels: bool = True
    """Compile the engine's kernels with gcc on first use, into data_dir; false, or without a
    compiler, PyTorch computes everything. For float32 only."""
    queue_length_max: Count = 4096
    """Requests waiting for the engine before callers are answered 503."""
    keep_alive_seconds: Seconds = 10.0
    """How often a waiting caller is sent a keep-alive."""
    start_timeout_seconds: Seconds = 600.0
    """A request that has not started by then is closed and not billed."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies whose X-Forwarded-For is believed; nobody's otherwise."""
    allowed_email_domains: tuple[str, ...] = ()
    """Only addresses of these domains may sign up; empty means all but the denied ones."""
    denied_email_domains: tuple[str, ...] = ()
    """Addresses of these domains, and of domains below them, may not sign up."""
    service_email: str = "service@localhost"
    """Where people who need help are told to write."""
    sign_up_grant_cny: str = "0"
    """What a new account that pays in CNY is granted, e.g. `10.00`; 0: nothing."""
    sign_up_grant_usd: str = "0"
    """The same for a new account that pays in USD."""
    sign_up_grant_days: Days = 30
    """How long it lasts."""
    sign_up_grant_again_days: Days = 365
    """An address whose account is deleted and made anew within so many days is granted nothing."""
    operator_name: str = ""
    """The company that runs this server, as it stands on invoices and agreements; without a name
    no invoice is issued."""
    operator_tax_number: str = ""
    operator_address: str = ""
    operator_bank: str = ""
    """Shown on invoices and agreements, with the account below."""
    operator_bank_account: str = ""
    operator_tax_basis_points: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    """The tax inside every price, shown on invoices: 600 are 6 percent; 0 shows none."""
    smtp_host: str = ""
    """The mail server; empty means that letters wait in the operator's outbox."""
    smtp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """starttls or tls; none only for a mail server on this machine."""
    smtp_username: str = ""
    smtp_password: str = ""
    """Best given as WHALEFALL_SMTP_PASSWORD."""
    mail_sender: str = "Whalefall <no-reply@localhost>"
    """What letters come from."""
    price_files: tuple[Path, ...] = ()
    """Price lists laid over the platform's own, later ones first."""
    bank_account_number: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{6,22})?$")] = ""
    """The account that bank transfers arrive on, digits only; with it come the other three. Empty:
    no bank transfers."""
    bank_account_bank: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """The bank's name, as payers write it."""
    bank_account_branch: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """The branch that keeps the account."""
    bank_account_holder: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """Whom the account belongs to."""
    bank_account_currency: Literal["CNY", "USD"] = "CNY"
    holidays: dict[str, tuple[date, ...]] = {}
    """Calendars by name, e.g. `cn`, in place of those of the price lists."""
    make_up_days: dict[str, tuple[date, ...]] = {}
    """Days of weekends that are worked in exchange, by the name of a calendar in `holidays`."""
    alipay_app_id: str | None = None
    """The app's number at Alipay's open platform. Payments by Alipay take all five settings that
    begin with alipay; docs/payments.md says where each is found."""
    alipay_seller_id: str | None = None
    """The merchant's own number at Alipay, `2088…`."""
    alipay_app_private_key_file: Path | None = None
    """The app's private key (RSA2), readable by the platform's user alone."""
    alipay_public_key_file: Path | None = None
    """Alipay's public key for this app; not the app's own."""
    alipay_gateway_url: str = "https://openapi.alipay.com/gateway.do"
    wechatpay_app_id: str | None = None
    """The app (`wx…`) that is bound to the merchant. Payments by WeChat Pay take all settings that
    begin with wechatpay, but only one of the public key and the platform certificates."""
    wechatpay_merchant_id: str | None = None
    wechatpay_merchant_serial: str | None = None
    """The serial number of the merchant's API certificate, in hex."""
    wechatpay_merchant_private_key_file: Path | None = None
    """apiclient_key.pem, readable by the platform's user alone."""
    wechatpay_api_v3_key_file: Path | None = None
    """A file with the 32 characters of the APIv3 key, readable by the platform's user alone."""
    wechatpay_public_key_id: str | None = None
    """`PUB_KEY_ID_…`, with wechatpay_public_key_file: WeChat Pay's public key for this merchant."""
    wechatpay_public_key_file: Path | None = None
    wechatpay_platform_certificate_files: tuple[Path, ...] = ()
    """For a merchant that has platform certificates instead of, or still beside, a public key."""
    wechatpay_gateway_url: str = "https://api.mch.weixin.qq.com"
    stripe_secret_key: str | None = None
    """Stripe's secret or restricted key (`sk_…`, `rk_…`). Payments by card, in US dollars, take it
    and stripe_webhook_secret; both are best given as WHALEFALL_STRIPE_… variables."""
    stripe_webhook_secret: str | None = None
    """`whsec_…`, of the webhook endpoint that points to /payments/stripe/notify here."""
    stripe_api_base: str = "https://api.stripe.com"
    api_era: Literal["A", "B"] = "A"
    """A: the wire of the V3.2 era. B: the later switches (plain-text errors and so on)."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    aliases: tuple[ModelAlias, ...] = (
        ModelAlias("deepseek-chat", thinking=None),
        ModelAlias("deepseek-reasoner", thinking=True),
    )
    comparison_endpoints: tuple[ComparisonEndpoint, ...] = ()
    models: tuple[AdditionalModel, ...] = ()
    """Served besides the one in model_dir, for aliases and comparison endpoints to name. Each
    takes its own engine process and its own num_cache_tokens."""

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'whalefall.db'}"

    @property
    def resolved_identity_key_file(self) -> Path:
        return self.identity_key_file or self.data_dir / "identity.key"

    @property
    def model_name(self) -> str:
        return self.model_dir.name

    @property
    def served_models(self) -> tuple[AdditionalModel, ...]:
        """All of them, the one in model_dir first."""
        main = AdditionalModel(self.model_name, self.model_dir, self.model_format)
        return (main, *self.models)

    @property
    def alipay(self) -> AlipaySettings | None:
        """None when nothing of it is set; SettingsError when something is missing or empty."""
        return _all_or_none(self, "alipay", AlipaySettings)

    @property
    def wechatpay(self) -> WechatPaySettings | None:
        """As alipay; at least one of WeChat Pay's own keys is there, too."""
        found = _all_or_none(self, "wechatpay", WechatPaySettings)
        if found is None:
            return None
        key = {"public_key_id": found.public_key_id, "public_key_file": found.public_key_file}
        if any(value is not None for value in key.values()) or not found.platform_certificate_files:
            for name, value in key.items():
                _require("wechatpay", name, value)
        return found

    @property
    def stripe(self) -> StripeSettings | None:
        """As alipay."""
        return _all_or_none(self, "stripe", StripeSettings)


def load_settings(
    overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Build the settings. `overrides` are command-line values; None there means not given.

    Raises SettingsError naming the key that is wrong.
    """
    environ = os.environ if environ is None else environ
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    from_environment = _values_from_environment(environ)
    data_dir = given.get("data_dir") or from_environment.get("data_dir") or DEFAULT_DATA_DIR
    config_file = _config_file(environ, Path(data_dir))
    from_file = _values_from_file(config_file)
    # The file is checked by itself first, so that an error names the file it stands in.
    _converted(from_file, str(config_file))
    settings = _converted({**from_file, **from_environment, **given}, "settings")
    # A half-configured provider stops the start here.
    _ = settings.alipay, settings.wechatpay, settings.stripe
    return settings


T = TypeVar("T", bound=msgspec.Struct)


def _all_or_none(settings: Settings, prefix: str, kind: type[T]) -> T | None:
    """Settings that only work together, without their common beginning; those that `kind` has a
    default for may be missing."""
    names = kind.__struct_fields__
    values = {name: getattr(settings, f"{prefix}_{name}") for name in names}
    defaults = dict(zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True))
    if all(value == defaults[f"{prefix}_{name}"] for name, value in values.items()):
        return None
    for name in names[: len(names) - len(kind.__struct_defaults__)]:
        _require(prefix, name, values[name])
    return kind(**values)


def _require(prefix: str, name: str, value: str | Path | None) -> None:
    if value is None:
        raise SettingsError(
            f"{prefix}_{name} is missing: set it, or none of the settings that begin with {prefix}"
        )
    if not str(value).strip() or value == Path():
        raise SettingsError(f"{prefix}_{name} is empty")


def _config_file(environ: Mapping[str, str], data_dir: Path) -> Path | None:
    named = environ.get("WHALEFALL_CONFIG")
    if named:
        path = Path(named)
        if not path.is_file():
            raise SettingsError(f"WHALEFALL_CONFIG names {path}, which is not a file")
        return path
    for path in (Path(CONFIG_FILE_NAME), data_dir / CONFIG_FILE_NAME):
        if path.is_file():
            return path
    return None


def _values_from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith("WHALEFALL_") or variable == "WHALEFALL_CONFIG":
            continue
        key = variable.removeprefix("WHALEFALL_").lower()
        if key not in Settings.__struct_fields__ or key in _FILE_ONLY:
            raise SettingsError(f"{variable} is not a setting; see `whalefall serve --help`")
        values[key] = _words(text) if key in _LISTS else text
    return values


_FILE_ONLY = ("aliases", "comparison_endpoints", "models", "holidays", "make_up_days")
_LISTS = (
    "trusted_proxies",
    "allowed_email_domains",
    "denied_email_domains",
    "price_files",
    "wechatpay_platform_certificate_files",
)
"""In a variable their values stand between commas."""


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _values_from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None


def _converted(values: Mapping[str, Any], source: str) -> Settings:
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
    try:
        return msgspec.convert(plain, Settings, strict=False, dec_hook=_path_from_text)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {error}") from None


def _path_from_text(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise TypeError(f"expected {kind.__name__}")
