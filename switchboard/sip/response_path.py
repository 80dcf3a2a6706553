"""Where a request came from, noted in it, and where its responses go (RFC 3261 §18.2, RFC 3581 §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchboard.sip.flow import StreamAddress, on_transport
from switchboard.sip.render import stamp_via

if TYPE_CHECKING:
    from switchboard.sip.message import Request
    from switchboard.sip.outgoing import Address


def stamp(request: Request, via: str, source: Address) -> tuple[str, Address]:
    """Note the source in a request; return its first Via line with it, and the place where responses go.

    ParseError if the top Via is malformed. A maddr parameter is not obeyed: the core does no multicast, and would serve
    to reflect traffic.
    """
    address, port = source
    request.received = address
    if "rport" not in via and via.partition(";")[0].endswith(f" {address}:{port}"):
        return via, source
    stamped, wants_rport = stamp_via(via, source)
    if wants_rport:
        request.rport = port
        return stamped, source
    sent_by = request.via
    place = source if isinstance(source, StreamAddress) else on_transport((address, sent_by.port or 5060), "udp")
    return (via if sent_by.host.strip("[]") == address else stamped), place
