"""Settings: where they come from, in which order, and what a wrong one says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from whalefall.app import sign_up_grant_rule
from whalefall.base.money import Currency
from whalefall.settings import SettingsError, load_settings


def test_command_line_beats_environment_beats_file(tmp_path: Path) -> None:
    (tmp_path / "whalefall.toml").write_text('port = 1\nhost = "0.0.0.0"\nmax_num_seqs = 3\n')
    environ = {"WHALEFALL_DATA_DIR": str(tmp_path), "WHALEFALL_PORT": "2", "HOME": "/nowhere"}
    assert load_settings({"port": None}, environ).port == 2
    settings = load_settings({"port": 3}, environ)
    assert (settings.port, settings.host, settings.max_num_seqs) == (3, "0.0.0.0", 3)
    assert settings.data_dir == tmp_path


def test_tables_of_the_file_are_read(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        '[[aliases]]\nname = "a"\nmodel = "m"\neffective_from = 2026-01-01T00:00:00Z\n'
        '[[comparison_endpoints]]\npath = "old"\nmodel = "m"\nreported_model = "old-m"\n'
        "expires_at = 2025-10-15T15:59:00Z\n"
    )
    settings = load_settings({}, {"WHALEFALL_CONFIG": str(config)})
    assert settings.aliases[0].effective_from == datetime(2026, 1, 1, tzinfo=UTC)
    assert settings.comparison_endpoints[0].expires_at.year == 2025


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("port = 70000", r"port"),
        ('port = "many"', r"port"),
        ("prot = 1", r"prot"),
        ('dtype = "int3"', r"dtype"),
        ("port = ", r"Invalid value"),
        ('bank_account_number = "7559 0000 1"', r"bank_account_number"),
        ('[[aliases]]\nmodel = "a"', r"name"),
        ('[[models]]\nname = "a"', r"model_dir"),
        ('[[aliases]]\nname = "a"\nmodel = "m"\nfrom = 1', r"from"),
        ('[[aliases]]\nname="a"\nmodel="m"\neffective_from=2026-01-01T00:00:00', r"aliases"),
    ],
)
def test_wrong_file_is_refused_naming_file_and_key(
    tmp_path: Path, content: str, expected: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(content)
    with pytest.raises(SettingsError, match=expected) as refusal:
        load_settings({}, {"WHALEFALL_CONFIG": str(config)})
    assert "config.toml" in str(refusal.value)


def test_unknown_variable_is_refused() -> None:
    with pytest.raises(SettingsError, match="WHALEFALL_PROT is not a setting"):
        load_settings({}, {"WHALEFALL_PROT": "1"})


def test_lists_and_calendars_are_read_from_file_and_variable(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        'price_files = ["~/own.toml"]\ndenied_email_domains = ["evil.example"]\n'
        "[holidays]\ncn = [2027-01-01, 2027-02-08]\n"
    )
    environ = {
        "WHALEFALL_CONFIG": str(config),
        "WHALEFALL_TRUSTED_PROXIES": "10.0.0.1, 192.168.0.0/16",
    }
    settings = load_settings({}, environ)
    assert settings.price_files == (Path("~/own.toml").expanduser(),)
    assert settings.denied_email_domains == ("evil.example",)
    assert settings.trusted_proxies == ("10.0.0.1", "192.168.0.0/16")
    assert settings.holidays == {"cn": (date(2027, 1, 1), date(2027, 2, 8))}
    config.write_text('[holidays]\ncn = ["tomorrow"]\n')
    with pytest.raises(SettingsError, match="holidays"):
        load_settings({}, environ)


ALIPAY = {
    "WHALEFALL_ALIPAY_APP_ID": "2021000000000000",
    "WHALEFALL_ALIPAY_SELLER_ID": "2088000000000000",
    "WHALEFALL_ALIPAY_APP_PRIVATE_KEY_FILE": "/keys/app.pem",
    "WHALEFALL_ALIPAY_PUBLIC_KEY_FILE": "/keys/alipay.pem",
}
WECHATPAY = {
    "WHALEFALL_WECHATPAY_APP_ID": "wx0000000000000000",
    "WHALEFALL_WECHATPAY_MERCHANT_ID": "1900000000",
    "WHALEFALL_WECHATPAY_MERCHANT_SERIAL": "5157F09EFDC096DE15EBE81A47057A7200000000",
    "WHALEFALL_WECHATPAY_MERCHANT_PRIVATE_KEY_FILE": "/keys/apiclient_key.pem",
    "WHALEFALL_WECHATPAY_API_V3_KEY_FILE": "/keys/api_v3_key",
    "WHALEFALL_WECHATPAY_PUBLIC_KEY_ID": "PUB_KEY_ID_0000000000000000000000000000",
    "WHALEFALL_WECHATPAY_PUBLIC_KEY_FILE": "/keys/wechatpay.pem",
}
STRIPE = {
    "WHALEFALL_STRIPE_SECRET_KEY": "sk_test_0000",
    "WHALEFALL_STRIPE_WEBHOOK_SECRET": "whsec_0000",
}


def test_providers_are_off_until_set_and_whole_when_set() -> None:
    assert load_settings({}, {}).alipay is None
    assert load_settings({}, {}).wechatpay is None
    settings = load_settings({}, {**ALIPAY, **WECHATPAY})
    assert settings.alipay is not None
    assert settings.alipay.app_private_key_file == Path("/keys/app.pem")
    assert settings.wechatpay is not None
    assert settings.wechatpay.merchant_id == "1900000000"


@pytest.mark.parametrize(
    ("group", "variable"),
    [(group, variable) for group in (ALIPAY, WECHATPAY, STRIPE) for variable in group],
)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_provider_with_a_missing_or_empty_key_is_refused_naming_it(
    group: dict[str, str], variable: str, value: str | None
) -> None:
    environ = {name: text for name, text in group.items() if name != variable}
    if value is not None:
        environ[variable] = value
    key = variable.removeprefix("WHALEFALL_").lower()
    with pytest.raises(SettingsError, match=rf"{key} is (missing|empty)"):
        load_settings({}, environ)


@pytest.mark.parametrize("variable", [*ALIPAY, *WECHATPAY])
def test_one_empty_key_alone_is_no_way_to_switch_a_provider_off(variable: str) -> None:
    with pytest.raises(SettingsError, match=r"(alipay|wechatpay)_\w+ is (missing|empty)"):
        load_settings({}, {variable: ""})


def test_wechatpay_takes_platform_certificates_in_place_of_its_public_key() -> None:
    environ = {name: text for name, text in WECHATPAY.items() if "PUBLIC_KEY" not in name}
    certificates = {"WHALEFALL_WECHATPAY_PLATFORM_CERTIFICATE_FILES": "/keys/a.pem, /keys/b.pem"}
    settings = load_settings({}, {**environ, **certificates})
    assert settings.wechatpay is not None
    assert len(settings.wechatpay_platform_certificate_files) == 2
    with pytest.raises(SettingsError, match="wechatpay_app_id is missing"):
        load_settings({}, certificates)


def test_new_accounts_are_granted_nothing_unless_it_is_set() -> None:
    off = sign_up_grant_rule(load_settings({}, {}))
    assert set(off.amounts.values()) == {0}
    variables = {"WHALEFALL_SIGN_UP_GRANT_CNY": "2.50", "WHALEFALL_SIGN_UP_GRANT_DAYS": "7"}
    rule = sign_up_grant_rule(load_settings({}, variables))
    assert rule.amounts == {Currency.CNY: 2_500_000_000, Currency.USD: 0}
    assert (rule.lasts.days, rule.again_after.days) == (7, 365)


@pytest.mark.parametrize("amount", ["-1", "x", "NaN", "1e400", "0.0000000001"])
def test_an_odd_grant_for_new_accounts_is_refused_by_name(amount: str) -> None:
    settings = load_settings({}, {"WHALEFALL_SIGN_UP_GRANT_USD": amount})
    with pytest.raises(SettingsError, match="sign_up_grant_usd"):
        sign_up_grant_rule(settings)
