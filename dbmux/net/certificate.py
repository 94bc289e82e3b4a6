"""Certificates and TLS contexts: for clients with a given or a self-made certificate, for backends as configured.

Files come in and contexts go out. A self-made certificate is kept in a folder of the caller's, so that clients which
pinned it keep trusting it. Never prints a key.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dbmux.config.model import BackendTls, BackendTlsMode

LIFETIME = datetime.timedelta(days=3650)

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What clients are offered; `fingerprint` is the certificate's SHA-256."""

    context: ssl.SSLContext
    fingerprint: bytes


def server_tls(certificate: Path, key: Path) -> ServerTls:
    """A context for clients; raises OSError or ssl.SSLError when the files cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    # The file may hold a chain and the key as well; the server's own certificate is the first (man page of OpenSSL's
    # SSL_CTX_use_certificate_chain_file).
    text = certificate.read_text()
    own = text[text.index(_BEGIN) : text.index(_END) + len(_END)]
    return ServerTls(context, hashlib.sha256(ssl.PEM_cert_to_DER_cert(own)).digest())


def backend_context(tls: BackendTls, *, is_local: bool) -> ssl.SSLContext | None:
    """A context for a backend, or None where TLS is off; None as mode means preferred, but off on this machine."""
    mode = tls.mode
    if mode is None:
        mode = BackendTlsMode.OFF if is_local else BackendTlsMode.PREFERRED
    if mode is BackendTlsMode.OFF:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode is BackendTlsMode.VERIFY_IDENTITY
    if mode in (BackendTlsMode.VERIFY_CA, BackendTlsMode.VERIFY_IDENTITY):
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
        else:
            context.load_default_certs()
    else:
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


def self_made(folder: Path) -> tuple[Path, Path]:
    """The certificate and key in `folder`, made when they are not there yet; the key is readable by its owner only."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder):
        if not (certificate.exists() and key.exists()):
            _make(certificate, key)
    return certificate, key


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    # Two processes that start at once must not mix the certificate of one with the key of the other.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(certificate: Path, key: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "DbMux self-made certificate")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key, pem, 0o600)
    _write(certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    # A process that dies here leaves nothing that looks whole.
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode)
    part.write_bytes(content)
    part.replace(path)
