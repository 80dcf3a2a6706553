"""SIP over TCP, TLS and WebSockets as the configuration wants it."""

from __future__ import annotations

import socket
from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import NamedTuple

from config.loader import config_error
from config.schema import Config
from config.sip_schema import Listen
from switchboard.net.acceptor import Bounds
from switchboard.net.certificates import CertificateError, Certificates
from switchboard.net.connections import Connections
from switchboard.net.driver import Driver
from switchboard.net.link import Patience
from switchboard.net.web import Welcome
from switchboard.ops.control import CommandError
from switchboard.sip.outgoing import Address
from switchboard.trunk_config import certificate_names


class Sockets(NamedTuple):
    """The sockets of sip.listen by what is done with them."""

    udp: socket.socket
    """That of IPv4, where there is one."""
    six: socket.socket | None
    """UDP over IPv6, where the other is on IPv4."""
    streams: list[tuple[Listen, socket.socket]]


def sort_sockets(config: Config, sockets: Sequence[socket.socket]) -> Sockets:
    """`sockets` are in the order of sip.listen, whose first is one of UDP."""
    listeners = list(zip(config.sip.listen, sockets, strict=True))
    datagrams = sorted((sock for one, sock in listeners if one.transport == "udp"), key=_is_six)
    streams = [(one, sock) for one, sock in listeners if one.transport != "udp"]
    return Sockets(datagrams[0], datagrams[1] if len(datagrams) > 1 else None, streams)


def _is_six(sock: socket.socket) -> bool:
    return sock.family == socket.AF_INET6


def stream_places(config: Config) -> dict[str, Address]:
    """Where we are on "tcp", "tls", "ws" and "wss", as far as sip.listen has them: on IPv4 before IPv6."""
    listeners = sorted(config.sip.listen, key=lambda one: ":" not in one.host)
    return {one.transport: (one.host, one.port) for one in listeners if one.transport != "udp"}


def six_places(config: Config) -> dict[str, Address]:
    """Where we are on IPv6 by transports on which we are on IPv4 too."""
    four = {one.transport for one in config.sip.listen if ":" not in one.host}
    return {
        one.transport: (one.host, one.port)
        for one in config.sip.listen
        if ":" in one.host and one.transport in four and one.transport in ("udp", "tcp", "tls")
    }


class Streams:
    """The connections of a switch, and the certificates they show."""

    def __init__(
        self,
        config: Config,
        sockets: Sequence[tuple[Listen, socket.socket]],
        driver: Driver,
        located: MutableMapping[Address, str] | None = None,
    ) -> None:
        """`sockets` are those that are not of UDP; raises CertificateError.

        `located` has the name that was looked up for an address, which its certificate must have.
        """
        settings = config.sip.connections
        self._names: dict[Address, str] = dict(certificate_names(config))
        self.connections = Connections(
            driver,
            bounds=Bounds(settings.most, settings.per_source),
            patience=Patience(float(settings.connect), float(settings.idle), float(settings.ping)),
            names=ChainMap(self._names, located if located is not None else {}),
        )
        self.certificates: list[Certificates] = []
        for listen, sock in sockets:
            shown = _certificates(config, listen)
            self.certificates += [shown] if shown is not None else []
            welcome = Welcome(listen.path, tuple([origin.lower() for origin in listen.origins]))
            self.connections.listen(sock, listen.transport, shown, welcome)
        driver.attach(self.connections)

    def name_certificates(self, config: Config) -> None:
        """Ask carriers we connect to from now on for these names."""
        self._names.clear()
        self._names.update(certificate_names(config))

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


def check_certificates(config: Config, file: Path | None) -> None:
    """Read the certificates of sip.listen; raises ConfigError at the entry whose files cannot be used."""
    for index, listen in enumerate(config.sip.listen):
        try:
            _certificates(config, listen)
        except CertificateError as error:
            place = f"sip.listen[{index}].certificate"
            raise config_error(file, place, str(error), "name files in PEM that belong together") from None


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
