"""How passwords are proved: the arithmetic of each authentication plugin.

Passwords, scrambles and answers come in, answers and verdicts go out. Secrets are compared in constant time and kept
nowhere. Sources: manual pages "Native Authentication", "Caching SHA-2 Authentication".
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

NATIVE = b"mysql_native_password"
CACHING_SHA2 = b"caching_sha2_password"
SHA256 = b"sha256_password"
CLEAR = b"mysql_clear_password"
# A name that no server knows makes all of them answer with the account's own plugin and a fresh scramble.
UNKNOWN = b"dbmux_ask_for_the_accounts_plugin"

FAST_OK, FULL_NEEDED, KEY_REQUEST, SHA256_KEY_REQUEST = b"\x03", b"\x04", b"\x02", b"\x01"


def native_answer(password: bytes, scramble: bytes) -> bytes:
    """SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))); empty for an empty password."""
    if not password:
        return b""
    once = hashlib.sha1(password).digest()
    mask = hashlib.sha1(scramble[:20] + hashlib.sha1(once).digest()).digest()
    return _xor(once, mask)


def caching_sha2_answer(password: bytes, scramble: bytes) -> bytes:
    """SHA256(password) XOR SHA256(SHA256(SHA256(password)) + scramble); empty for an empty password."""
    if not password:
        return b""
    once = hashlib.sha256(password).digest()
    mask = hashlib.sha256(hashlib.sha256(once).digest() + scramble[:20]).digest()
    return _xor(once, mask)


def certificate_proof(password: bytes, scramble: bytes, fingerprint: bytes) -> bytes:
    """What MariaDB's clients from 11.4 on accept in place of a certificate that they can verify.

    It stands in the login's OK and shows that whoever made the certificate (`fingerprint` is its SHA-256) knows the
    password of a mysql_native_password account (manual page "Zero-configuration TLS").
    """
    double = hashlib.sha1(hashlib.sha1(password).digest()).digest()
    return b"\x01" + hashlib.sha256(double + scramble[:20] + fingerprint).hexdigest().upper().encode()


def answer_to(plugin: bytes, password: bytes, scramble: bytes) -> bytes | None:
    """The first answer of `plugin`, or None when DbMux cannot compute one for that plugin."""
    match plugin:
        case b"mysql_native_password":
            return native_answer(password, scramble)
        case b"caching_sha2_password":
            return caching_sha2_answer(password, scramble)
        case _:
            return None


def is_right(plugin: bytes, password: bytes, scramble: bytes, answer: bytes) -> bool:
    """Whether `answer` proves knowledge of `password`."""
    expected = answer_to(plugin, password, scramble)
    return expected is not None and hmac.compare_digest(expected, answer.rstrip(b"\0") if not password else answer)


def encrypt_password(password: bytes, scramble: bytes, public_key: bytes) -> bytes:
    """The password under the server's RSA key (PEM), as caching_sha2_password sends it without TLS."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = serialization.load_pem_public_key(public_key)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the server's key is not an RSA key")
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    return key.encrypt(_xor_cycled(password + b"\0", scramble[:20]), oaep)


def decrypt_password(encrypted: bytes, scramble: bytes, private_key: RSAPrivateKey) -> bytes:
    """The password that a client encrypted to DbMux's own key; raises ValueError when it is not one."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    return _xor_cycled(private_key.decrypt(encrypted, oaep), scramble[:20]).rstrip(b"\0")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _xor_cycled(text: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[index % len(mask)] for index, byte in enumerate(text))
