"""TLS contexts from files, and their renewal while the switch runs (RFC 3261 §26.3.1, RFC 5922)."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

MOST_HEARD: Final = 4
"""Reads from a peer that has been told why its handshake failed; what it had sent before is among them."""


class CertificateError(ValueError):
    """Files that give no certificate; one line that says which."""


class ToldSSLObject(ssl.SSLObject):
    """A handshake that fails only once the peer may have heard why: its alert (RFC 8446 §6.2, RFC 5246 §7.2.2).

    An event loop sends what a handshake has written that waits for the peer, and drops what one has that failed. So
    this one waits, for the end of the connection that an alert brings; a peer that goes on talking is heard no more.
    """

    _fault: ssl.SSLError | None = None
    _heard = 0

    def do_handshake(self) -> None:
        """As any other; raises SSLWantReadError where it has failed, and what was wrong a few reads later."""
        if self._fault is not None:
            self._heard += 1
            if self._heard > MOST_HEARD:
                raise self._fault
            raise ssl.SSLWantReadError
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._fault = error
            raise ssl.SSLWantReadError from None


class Certificates:
    """Contexts for those who connect to us and for those we connect to; both show the same certificate.

    With `client_ca` peers who connect must show a certificate signed by it (mutual TLS). Peers we connect to are
    verified against `server_ca`, by default what the system trusts.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        client_ca: Path | None = None,
        server_ca: Path | None = None,
        *,
        verify: bool = True,
    ) -> None:
        """Read the files; raises CertificateError."""
        self._certificate, self._key = certificate, key
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.sslobject_class = ToldSSLObject
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for context in (self.server, self.client):
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        if client_ca is not None:
            _trust(self.server, client_ca)
            self.server.verify_mode = ssl.CERT_REQUIRED
        if not verify:
            self.client.check_hostname = False
            self.client.verify_mode = ssl.CERT_NONE
        elif server_ca is not None:
            _trust(self.client, server_ca)
        else:
            self.client.load_default_certs(ssl.Purpose.SERVER_AUTH)
        self.reload()

    def reload(self) -> None:
        """Take certificate and key anew for connections to come; on CertificateError the old ones stay."""
        # A pair that does not fit would leave a context half changed, so it is tried elsewhere first.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.server, self.client):
            try:
                context.load_cert_chain(self._certificate, self._key, password="")
            except (OSError, ValueError) as error:
                files = f"certificate {self._certificate} and key {self._key}"
                raise CertificateError(f"{files}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else "cannot be read as PEM"
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else "cannot be read as PEM"


def _trust(context: ssl.SSLContext, authority: Path) -> None:
    try:
        context.load_verify_locations(authority)
    except OSError as error:
        raise CertificateError(f"certificate authority {authority}: {_reason(error)}") from None
