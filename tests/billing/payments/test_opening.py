"""Key files: which are taken, which are refused, and what the operator reads then."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from tests.support.fake_clock import FakeClock
from whalefall.base.signatures import serial_of
from whalefall.billing.payments.key_files import KeyFileError
from whalefall.billing.payments.opening import open_alipay, open_wechatpay
from whalefall.sandbox.alipay import AlipayParty
from whalefall.sandbox.merchants import AlipayMerchant, WechatPayMerchant
from whalefall.sandbox.wechatpay import WechatPayParty


@dataclass(frozen=True)
class AlipayFiles:
    app_private_key_file: Path
    public_key_file: Path
    app_id: str = "2021000000000000"
    seller_id: str = "2088000000000000"
    gateway_url: str = "https://openapi.alipay.com/gateway.do"


@dataclass(frozen=True)
class WechatPayFiles:
    merchant_private_key_file: Path
    api_v3_key_file: Path
    public_key_file: Path | None = None
    public_key_id: str | None = None
    platform_certificate_files: tuple[Path, ...] = ()
    app_id: str = "wx0000000000000000"
    merchant_id: str = "1900000000"
    merchant_serial: str = "5157f09efdc096de15ebe81a47057a7200000000"
    gateway_url: str = "https://api.mch.weixin.qq.com"


def private_pem(
    key: RSAPrivateKey | ec.EllipticCurvePrivateKey,
    shape: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, shape, encryption or NoEncryption())


def public_pem(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def certificate_of(key: RSAPrivateKey, clock: FakeClock, serial: int) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), serial)
    builder = builder.not_valid_before(clock.now())
    return builder.not_valid_after(clock.now() + timedelta(days=1)).sign(key, SHA256())


def put(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture
def files(
    tmp_path: Path, alipay_halves: tuple[AlipayParty, AlipayMerchant], stranger_key: RSAPrivateKey
) -> AlipayFiles:
    own = put(tmp_path / "app.pem", private_pem(alipay_halves[1].app_private_key))
    return AlipayFiles(own, put(tmp_path / "alipay.pem", public_pem(stranger_key), 0o644))


@pytest.mark.parametrize("shape", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_keys_are_taken_in_every_form_that_alipays_tool_writes(
    files: AlipayFiles, clock: FakeClock, stranger_key: RSAPrivateKey, shape: PrivateFormat
) -> None:
    key = generate_private_key(65537, 2048)
    put(files.app_private_key_file, private_pem(key, shape))
    assert open_alipay(files, clock).currencies == {"CNY"}
    bare = base64.b64encode(key.private_bytes(Encoding.DER, shape, NoEncryption()))
    put(files.app_private_key_file, bare + b"\n")
    der = stranger_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    put(files.public_key_file, base64.b64encode(der), 0o644)
    open_alipay(files, clock)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_private_key_that_others_may_read_is_refused(
    files: AlipayFiles, clock: FakeClock, mode: int
) -> None:
    files.app_private_key_file.chmod(mode)
    with pytest.raises(KeyFileError, match=r"alipay_app_private_key_file: .*chmod 600"):
        open_alipay(files, clock)


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_public_key_that_others_may_exchange_is_refused(
    files: AlipayFiles, clock: FakeClock, mode: int
) -> None:
    files.public_key_file.chmod(mode)
    with pytest.raises(KeyFileError, match=r"alipay_public_key_file: .*chmod 644"):
        open_alipay(files, clock)


def test_files_that_are_no_keys_are_refused_without_telling_what_is_in_them(
    files: AlipayFiles, clock: FakeClock, stranger_key: RSAPrivateKey
) -> None:
    locked = private_pem(stranger_key, encryption=BestAvailableEncryption(b"pass"))
    odd = ec.generate_private_key(ec.SECP256R1())
    weak = generate_private_key(65537, 1024)
    contents = (b"", b" \n", b"secret words", b"\xff\x00", b"A" * 70_000, locked)
    for content in (*contents, private_pem(odd), private_pem(weak), public_pem(stranger_key)):
        put(files.app_private_key_file, content)
        with pytest.raises(KeyFileError, match="alipay_app_private_key_file") as refusal:
            open_alipay(files, clock)
        assert "secret" not in str(refusal.value)
    files.app_private_key_file.unlink()
    with pytest.raises(KeyFileError, match="No such file"):
        open_alipay(files, clock)


def test_apps_own_public_key_is_not_mistaken_for_alipays(
    files: AlipayFiles, alipay_halves: tuple[AlipayParty, AlipayMerchant], clock: FakeClock
) -> None:
    put(files.public_key_file, public_pem(alipay_halves[1].app_private_key), 0o644)
    with pytest.raises(KeyFileError, match="own public key"):
        open_alipay(files, clock)


@pytest.mark.parametrize("url", ["http://openapi.alipay.com/gateway.do", "ftp://x", "", "//x"])
def test_gateway_in_the_clear_is_refused_but_on_this_machine(
    files: AlipayFiles, clock: FakeClock, url: str
) -> None:
    with pytest.raises(KeyFileError, match="alipay_gateway_url"):
        open_alipay(replace(files, gateway_url=url), clock)
    open_alipay(replace(files, gateway_url="http://127.0.0.1:8001/alipay/gateway.do"), clock)


def test_wechatpay_takes_its_public_key_platform_certificates_or_both(
    tmp_path: Path,
    wechatpay_halves: tuple[WechatPayParty, WechatPayMerchant],
    stranger_key: RSAPrivateKey,
    clock: FakeClock,
) -> None:
    own = put(tmp_path / "own.pem", private_pem(wechatpay_halves[1].merchant_private_key))
    secret = put(tmp_path / "v3", b"0123456789abcdef0123456789abcdef\n")
    theirs = put(tmp_path / "wechatpay.pem", public_pem(stranger_key))
    certificate = certificate_of(stranger_key, clock, 0x0157F09E)
    pem = put(tmp_path / "platform.pem", certificate.public_bytes(Encoding.PEM))
    assert serial_of(certificate) == "0157F09E", "as openssl writes it, in whole bytes"
    alone = WechatPayFiles(own, secret, theirs, "PUB_KEY_ID_1")
    older = WechatPayFiles(own, secret, platform_certificate_files=(pem,))
    both = replace(alone, platform_certificate_files=(pem,))
    for files in (alone, older, both):
        open_wechatpay(files, "https://example.org/payments/wechatpay/notify", clock)
    put(pem, public_pem(stranger_key))
    with pytest.raises(KeyFileError, match=r"wechatpay_platform_certificate_files: .*certificate"):
        open_wechatpay(both, "", clock)
    for wrong in (b"0123456789abcdef", b"0123456789abcdef0123456789abcdef0"):
        put(secret, wrong)
        with pytest.raises(KeyFileError, match=r"wechatpay_api_v3_key_file: .*32 characters"):
            open_wechatpay(alone, "", clock)
    secret.chmod(0o644)
    with pytest.raises(KeyFileError, match=r"wechatpay_api_v3_key_file: .*chmod 600"):
        open_wechatpay(alone, "", clock)
