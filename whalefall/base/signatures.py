"""SHA-256 with RSA as payment providers sign with it: PKCS#1 v1.5, signatures in base64, keys from
PEM text or from the bare base64 that Alipay's key tool hands out.

Knows nothing of what is signed: each protocol builds its own text."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509 import Certificate, load_pem_x509_certificate

KEY_BITS_MIN = 2048


def private_key_from_text(text: str) -> RSAPrivateKey:
    """PKCS#1 or PKCS#8, without a passphrase. ValueError never says what was in it."""
    try:
        if "-----BEGIN" in text:
            key = load_pem_private_key(text.encode(), password=None)
        else:
            key = load_der_private_key(_bytes_from_lines(text), password=None)
    except (ValueError, TypeError):
        raise ValueError("not a private key in PEM without a passphrase") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < KEY_BITS_MIN:
        raise ValueError(f"not an RSA key of {KEY_BITS_MIN} bits or more")
    return key


def public_key_from_text(text: str) -> RSAPublicKey:
    """A public key, or the one of a certificate."""
    key: object
    try:
        if "-----BEGIN CERTIFICATE" in text:
            key = certificate_from_text(text).public_key()
        elif "-----BEGIN" in text:
            key = load_pem_public_key(text.encode())
        else:
            key = load_der_public_key(_bytes_from_lines(text))
    except ValueError:
        raise ValueError("not a public key in PEM") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS_MIN:
        raise ValueError(f"not an RSA key of {KEY_BITS_MIN} bits or more")
    return key


def certificate_from_text(text: str) -> Certificate:
    try:
        return load_pem_x509_certificate(text.encode())
    except ValueError:
        raise ValueError("not a certificate in PEM") from None


def serial_of(certificate: Certificate) -> str:
    """Its serial number as providers write it: hex in capitals, as openssl prints it."""
    digits = f"{certificate.serial_number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)


def sign(key: RSAPrivateKey, message: bytes) -> str:
    return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()


def is_signed(key: RSAPublicKey, message: bytes, signature: str) -> bool:
    """False for anything that is not exactly a signature of this message, and never an error."""
    try:
        key.verify(base64.b64decode(signature, validate=True), message, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _bytes_from_lines(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)
