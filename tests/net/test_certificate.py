"""Certificates are made once and kept, and a context checks exactly what its mode says."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dbmux.config.model import BackendTls, BackendTlsMode
from dbmux.net.certificate import ServerTls, backend_context, self_made, server_tls
from dbmux.net.tls import TlsLayer


class TestSelfMade:
    def test_it_is_kept_from_one_start_to_the_next(self, tmp_path: Path) -> None:
        first = [path.read_bytes() for path in self_made(tmp_path / "state" / "tls")]

        assert [path.read_bytes() for path in self_made(tmp_path / "state" / "tls")] == first

    def test_nobody_else_can_read_the_key(self, tmp_path: Path) -> None:
        _, key = self_made(tmp_path)

        assert key.stat().st_mode & 0o777 == 0o600

    def test_what_is_left_of_an_interrupted_start_is_made_anew(self, tmp_path: Path) -> None:
        certificate, key = self_made(tmp_path)
        certificate.unlink()
        (tmp_path / "key.part").write_text("half a")

        self_made(tmp_path)

        assert server_tls(certificate, key)

    def test_those_who_start_at_once_share_one_pair(self, tmp_path: Path) -> None:
        def start(_: int) -> bytes:
            return server_tls(*self_made(tmp_path)).fingerprint

        with ThreadPoolExecutor(8) as threads:
            fingerprints = set(threads.map(start, range(8)))

        assert len(fingerprints) == 1


class TestServerTls:
    def test_the_fingerprint_is_that_of_the_servers_own_certificate(
        self, certificate: tuple[Path, Path], tmp_path: Path
    ) -> None:
        own, authority = certificate[0].read_text(), self_made(tmp_path / "other")[0].read_text()
        chain = tmp_path / "chain.pem"
        chain.write_text(certificate[1].read_text() + own + authority)

        made = server_tls(chain, chain)

        assert made.fingerprint == hashlib.sha256(ssl.PEM_cert_to_DER_cert(own)).digest()

    def test_a_key_of_another_certificate_is_an_error(self, certificate: tuple[Path, Path], tmp_path: Path) -> None:
        with pytest.raises(ssl.SSLError):
            server_tls(certificate[0], self_made(tmp_path)[1])

    @pytest.mark.parametrize("content", [None, "", "no certificate"])
    def test_a_file_that_is_none_is_an_error(self, tmp_path: Path, content: str | None) -> None:
        path = tmp_path / "certificate.pem"
        if content is not None:
            path.write_text(content)

        with pytest.raises(OSError):
            server_tls(path, path)


class TestBackendContext:
    @pytest.mark.parametrize(
        "mode, is_local, expected",
        [
            (None, True, None),
            (None, False, (False, ssl.CERT_NONE)),
            ("off", False, None),
            ("preferred", True, (False, ssl.CERT_NONE)),
            ("required", True, (False, ssl.CERT_NONE)),
            ("verify_ca", True, (False, ssl.CERT_REQUIRED)),
            ("verify_identity", True, (True, ssl.CERT_REQUIRED)),
        ],
    )
    def test_a_mode_says_what_is_checked(
        self, mode: str | None, is_local: bool, expected: tuple[bool, ssl.VerifyMode] | None
    ) -> None:
        tls = BackendTls(mode=BackendTlsMode(mode) if mode else None)

        context = backend_context(tls, is_local=is_local)

        assert (context and (context.check_hostname, context.verify_mode)) == expected

    @pytest.mark.parametrize(
        "mode, is_trusted, name, error",
        [
            ("required", False, "db.example", None),
            ("verify_ca", True, "db.example", None),
            ("verify_ca", False, "localhost", "self-signed certificate"),
            ("verify_identity", True, "localhost", None),
            ("verify_identity", True, "db.example", "Hostname mismatch"),
            ("verify_identity", False, "localhost", "self-signed certificate"),
        ],
    )
    def test_a_server_is_trusted_or_refused(
        self,
        mode: str,
        is_trusted: bool,
        name: str,
        error: str | None,
        tls: ServerTls,
        certificate: tuple[Path, Path],
        tmp_path: Path,
    ) -> None:
        authority = certificate[0] if is_trusted else self_made(tmp_path)[0]
        context = backend_context(BackendTls(mode=BackendTlsMode(mode), ca=authority), is_local=False)
        assert context is not None

        found = asyncio.run(_shake_hands(context, name if context.check_hostname else None, tls))

        assert (found and found.verify_message[: len(error or "")]) == error

    def test_a_certificate_of_our_own_is_shown(self, certificate: tuple[Path, Path], tls: ServerTls) -> None:
        own = BackendTls(mode=BackendTlsMode.REQUIRED, certificate=certificate[0], key=certificate[1])
        context = backend_context(own, is_local=False)
        asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        asking.load_cert_chain(*certificate)
        asking.verify_mode = ssl.CERT_REQUIRED
        asking.load_verify_locations(certificate[0])
        assert context is not None

        assert asyncio.run(_shake_hands(context, None, ServerTls(asking, b""))) is None

    def test_a_file_that_is_no_certificate_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")

        with pytest.raises(ssl.SSLError):
            backend_context(BackendTls(mode=BackendTlsMode.VERIFY_CA, ca=tmp_path / "ca.pem"), is_local=False)


async def _shake_hands(
    context: ssl.SSLContext, name: str | None, tls: ServerTls
) -> ssl.SSLCertVerificationError | None:
    """What a client finds wrong with a server."""
    loop = asyncio.get_running_loop()
    client, server = TlsLayer(context, name, loop.create_future()), TlsLayer(tls.context, None, loop.create_future())
    try:
        client.decrypt(b"")
        while not (client.established.done() and server.established.done()):
            server.decrypt(client.outgoing())
            client.decrypt(server.outgoing())
    except ssl.SSLCertVerificationError as error:
        return error
    return None
