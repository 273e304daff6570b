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
