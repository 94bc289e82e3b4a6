"""How passwords are proved: the arithmetic of each authentication plugin.

Passwords, scrambles and answers come in, answers and verdicts go out. Secrets are compared in constant time and kept
nowhere. Sources: manual pages "Native Authentication", "Caching SHA-2 Authentication".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

NATIVE = b"mysql_native_password"
CACHING_SHA2 = b"caching_sha2_password"
SHA256 = b"sha256_password"
CLEAR = b"mysql_clear_password"
# A name that no server knows makes all of them answer with the account's own plugin and a fresh scramble.
UNKNOWN = b"dbmux_ask_for_the_accounts_plugin"

# The longest password that caching_sha2_password takes.
MAX_PASSWORD = 256
_CRYPT_LETTERS = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NATIVE_HASH = re.compile(r"\*[0-9A-Fa-f]{40}")
_SHA2_HASH = re.compile(r"\$A\$([0-9A-Fa-f]{3})\$([\x01-\x7f]{20})([./0-9A-Za-z]{43})")

FAST_OK, FULL_NEEDED, KEY_REQUEST, SHA256_KEY_REQUEST = b"\x03", b"\x04", b"\x02", b"\x01"


@dataclass(frozen=True, slots=True)
class NativeKey:
    """SHA1 of a password: all that mysql_native_password needs, and of no use to any other plugin. Never shown."""

    once: bytes

    def __repr__(self) -> str:
        return "NativeKey()"


Secret = bytes | NativeKey


def native_answer(secret: Secret, scramble: bytes) -> bytes:
    """SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))); empty for an empty password."""
    if not secret:
        return b""
    once = _once(secret)
    return _xor(once, _native_mask(hashlib.sha1(once).digest(), scramble))


def native_key(stored: str, scramble: bytes, answer: bytes) -> NativeKey | None:
    """What an answer of mysql_native_password reveals to whoever has the account's hash; None for a wrong answer."""
    twice = bytes.fromhex(stored[1:])
    if len(answer) != len(twice):
        return None
    once = _xor(answer, _native_mask(twice, scramble))
    return NativeKey(once) if hmac.compare_digest(hashlib.sha1(once).digest(), twice) else None


def caching_sha2_answer(password: bytes, scramble: bytes) -> bytes:
    """SHA256(password) XOR SHA256(SHA256(SHA256(password)) + scramble); empty for an empty password."""
    if not password:
        return b""
    once = hashlib.sha256(password).digest()
    mask = hashlib.sha256(hashlib.sha256(once).digest() + scramble[:20]).digest()
    return _xor(once, mask)


def certificate_proof(secret: Secret, scramble: bytes, fingerprint: bytes) -> bytes:
    """What MariaDB's clients from 11.4 on accept in place of a certificate that they can verify.

    It stands in the login's OK and shows that whoever made the certificate (`fingerprint` is its SHA-256) knows the
    password of a mysql_native_password account (manual page "Zero-configuration TLS").
    """
    twice = hashlib.sha1(_once(secret)).digest()
    return b"\x01" + hashlib.sha256(twice + scramble[:20] + fingerprint).hexdigest().upper().encode()


def answer_to(plugin: bytes, secret: Secret, scramble: bytes) -> bytes | None:
    """The first answer of `plugin`, or None when DbMux cannot compute one for that plugin."""
    match plugin:
        case b"mysql_native_password":
            return native_answer(secret, scramble)
        case b"caching_sha2_password" if isinstance(secret, bytes):
            return caching_sha2_answer(secret, scramble)
        case _:
            return None


def is_right(plugin: bytes, secret: Secret, scramble: bytes, answer: bytes) -> bool:
    """Whether `answer` proves knowledge of the password."""
    expected = answer_to(plugin, secret, scramble)
    return expected is not None and hmac.compare_digest(expected, answer.rstrip(b"\0") if not secret else answer)


def is_native_hash(stored: str) -> bool:
    """Whether this is what a server keeps of a mysql_native_password account: `*` and 40 digits."""
    return _NATIVE_HASH.fullmatch(stored) is not None


def is_hash_of(stored: str, password: bytes) -> bool:
    """Whether a stored hash, of either kind, is that of this password; takes milliseconds for the newer kind."""
    if len(password) > MAX_PASSWORD:
        return False
    if is_native_hash(stored):
        twice = hashlib.sha1(hashlib.sha1(password).digest()).digest()
        return hmac.compare_digest(twice, bytes.fromhex(stored[1:]))
    found = _SHA2_HASH.fullmatch(stored)
    if found is None:
        return False
    made = sha256_crypt(password, found[2].encode(), int(found[1], 16) * 1000)
    return hmac.compare_digest(made, found[3].encode())


def sha256_crypt(password: bytes, salt: bytes, rounds: int) -> bytes:
    """The digest of the crypt scheme "$5$", as caching_sha2_password keeps it; its salts are longer than crypt's."""
    other = hashlib.sha256(password + salt + password).digest()
    begin = hashlib.sha256(password + salt + _filled(other, len(password)))
    length = len(password)
    while length:
        begin.update(other if length & 1 else password)
        length >>= 1
    digest = begin.digest()
    word = _filled(hashlib.sha256(password * len(password)).digest(), len(password))
    grain = _filled(hashlib.sha256(salt * (16 + digest[0])).digest(), len(salt))
    for number in range(rounds):
        middle = (grain if number % 3 else b"") + (word if number % 7 else b"")
        digest = hashlib.sha256(word + middle + digest if number & 1 else digest + middle + word).digest()
    return _crypt_text(digest)


def _crypt_text(digest: bytes) -> bytes:
    # Six bits a letter, of bytes in an order that goes round.
    groups = [(0, 10, 20)]
    while len(groups) < 10:
        first, second, third = groups[-1]
        groups.append((third + 1, first + 1, second + 1))
    letters = bytearray()
    for first, second, third in groups:
        letters += _six_bits(digest[first] << 16 | digest[second] << 8 | digest[third], 4)
    return bytes(letters + _six_bits(digest[31] << 8 | digest[30], 3))


def _six_bits(value: int, count: int) -> bytes:
    return bytes(_CRYPT_LETTERS[value >> 6 * at & 0x3F] for at in range(count))


def _filled(text: bytes, length: int) -> bytes:
    return (text * (length // len(text) + 1))[:length]


def _once(secret: Secret) -> bytes:
    return secret.once if isinstance(secret, NativeKey) else hashlib.sha1(secret).digest()


def _native_mask(twice: bytes, scramble: bytes) -> bytes:
    return hashlib.sha1(scramble[:20] + twice).digest()


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
    # As numbers, which takes a fifth of the time that it takes byte by byte.
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))


def _xor_cycled(text: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[index % len(mask)] for index, byte in enumerate(text))
