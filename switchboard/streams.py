"""SIP over TCP, TLS and WebSockets as the configuration wants it."""

from __future__ import annotations

import socket
from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from config.schema import Config, Listen
from switchboard.net.acceptor import Bounds
from switchboard.net.certificates import CertificateError, Certificates
from switchboard.net.connections import Connections
from switchboard.net.driver import Driver
from switchboard.net.link import Patience
from switchboard.net.web import Welcome
from switchboard.ops.control import CommandError
from switchboard.sip.flow import on_transport
from switchboard.sip.outgoing import Address


def stream_places(config: Config) -> dict[str, Address]:
    """Where we are on "tcp", "tls", "ws" and "wss", as far as sip.listen has them."""
    return {one.transport: (one.host, one.port) for one in config.sip.listen if one.transport != "udp"}


def trunk_address(to: str | None, transport: str) -> Address | None:
    """Where calls go to a carrier; None for one that only sends them."""
    if to is None:
        return None
    host, _, port = to.rpartition(":")
    return on_transport((host.strip("[]"), int(port)), transport)


class Streams:
    """The connections of a switch, and the certificates they show."""

    def __init__(
        self,
        config: Config,
        sockets: Sequence[socket.socket],
        driver: Driver,
        located: MutableMapping[Address, str] | None = None,
    ) -> None:
        """`sockets` are those of sip.listen after the first; raises CertificateError.

        `located` has the name that was looked up for an address, which its certificate must have.
        """
        settings = config.sip.connections
        self.connections = Connections(
            driver,
            bounds=Bounds(settings.most, settings.per_source),
            patience=Patience(float(settings.connect), float(settings.idle), float(settings.ping)),
            names=ChainMap(_names(config), located if located is not None else {}),
        )
        self.certificates: list[Certificates] = []
        for listen, sock in zip(config.sip.listen[1:], sockets, strict=True):
            shown = _certificates(config, listen)
            self.certificates += [shown] if shown is not None else []
            welcome = Welcome(listen.path, tuple([origin.lower() for origin in listen.origins]))
            self.connections.listen(sock, listen.transport, shown, welcome)
        driver.attach(self.connections)

    def reload(self) -> dict[str, bool]:
        """Show new certificates to those who connect from now on; calls and connections go on."""
        if not self.certificates:
            raise CommandError("sip.listen has no TLS, so there is no certificate")
        faults = []
        for certificates in self.certificates:
            try:
                certificates.reload()
            except CertificateError as error:
                faults.append(str(error))
        if faults:
            raise CommandError(f"{', '.join(faults)}; the old ones stay")
        return {"reloaded": True}


def _certificates(config: Config, listen: Listen) -> Certificates | None:
    settings = config.sip.connections
    if listen.certificate is None or listen.key is None:
        return None
    return Certificates(
        Path(listen.certificate),
        Path(listen.key),
        _path(listen.client_ca),
        _path(settings.server_ca),
        verify=settings.verify,
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text is not None else None


def _names(config: Config) -> dict[Address, str]:
    names: dict[Address, str] = {}
    for trunk in config.trunks:
        there = trunk_address(trunk.to, "udp")
        if there is not None and trunk.certificate_name is not None:
            names[there] = trunk.certificate_name
    return names
