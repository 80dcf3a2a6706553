"""TLS contexts from files."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest

from switchboard.net.certificates import MOST_HEARD, CertificateError, Certificates
from tests.support.certificates import Authority


def test_contexts(tmp_path: Path) -> None:
    """Peers are verified; who connects must show a certificate only if asked to."""
    authority = Authority(tmp_path)
    pair = authority.sign("switch")
    plain = Certificates(pair.certificate, pair.key)
    assert plain.server.verify_mode is ssl.CERT_NONE
    assert (plain.client.verify_mode, plain.client.check_hostname) == (ssl.CERT_REQUIRED, True)
    mutual = Certificates(pair.certificate, pair.key, authority.file, authority.file, verify=False)
    assert mutual.server.verify_mode is ssl.CERT_REQUIRED
    assert (mutual.client.verify_mode, mutual.client.check_hostname) == (ssl.CERT_NONE, False)
    assert mutual.server.minimum_version is ssl.TLSVersion.TLSv1_2


def test_faults_name_the_files(tmp_path: Path) -> None:
    """Missing, no PEM, of different keys: one line each."""
    authority = Authority(tmp_path)
    one, other = authority.sign("one"), authority.sign("other")
    (tmp_path / "text").write_text("nothing of the kind")
    for certificate, key, reason in (
        (tmp_path / "none", one.key, "no such file or directory"),
        (tmp_path / "text", one.key, "cannot be read as PEM"),
        (one.certificate, other.key, "do not belong together"),
    ):
        with pytest.raises(CertificateError) as caught:
            Certificates(certificate, key)
        assert str(caught.value) == f"certificate {certificate} and key {key}: {reason}"
    with pytest.raises(CertificateError, match=r"certificate authority .*none: no such file"):
        Certificates(one.certificate, one.key, tmp_path / "none")
    with pytest.raises(CertificateError, match=r"certificate authority .*text: cannot be read as PEM"):
        Certificates(one.certificate, one.key, None, tmp_path / "text")


def test_a_reload_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The new pair is tried before it is taken."""
    authority = Authority(tmp_path)
    pair, other = authority.sign("switch"), authority.sign("other")
    it = Certificates(pair.certificate, pair.key)
    pair.key.write_bytes(other.key.read_bytes())
    with pytest.raises(CertificateError, match="do not belong together"):
        it.reload()
    pair.certificate.write_bytes(other.certificate.read_bytes())
    it.reload()


def refused(context: ssl.SSLContext, authority: Path) -> ssl.SSLObject:
    """A handshake with a client that shows nothing, as far as it waits; the client has heard the alert."""
    client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    client = ssl.create_default_context(cafile=authority).wrap_bio(client_in, client_out, server_hostname="127.0.0.1")
    server = context.wrap_bio(server_in, server_out, server_side=True)
    for _ in range(2):
        for one, out, other in ((client, client_out, server_in), (server, server_out, client_in)):
            with contextlib.suppress(ssl.SSLWantReadError):
                one.do_handshake()
            other.write(out.read())
    with pytest.raises(ssl.SSLError, match="alert"):
        client.read()
    return server


def test_who_is_refused_is_told_why_and_then_heard_no_more(tmp_path: Path) -> None:
    """An alert goes out; what was already on its way is read past, and then the handshake has failed."""
    authority = Authority(tmp_path)
    pair = authority.sign("switch")
    server = refused(Certificates(pair.certificate, pair.key, authority.file).server, authority.file)
    for _ in range(MOST_HEARD):
        with pytest.raises(ssl.SSLWantReadError):
            server.do_handshake()
    with pytest.raises(ssl.SSLError, match="did not return a certificate"):
        server.do_handshake()
