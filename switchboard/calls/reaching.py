"""Where a registered phone is reached, and which addresses it may not name as its own."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from switchboard.sip.address import parse_name_addr
from switchboard.sip.binding import Binding
from switchboard.sip.errors import SipError
from switchboard.sip.flow import StreamAddress, on_transport, transport_of
from switchboard.sip.outgoing import Address
from switchboard.sip.uri import Uri, parse_uri

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.message import Request


class Reach(NamedTuple):
    """How a request gets to a phone: its Request-URI, the Route values, where it is sent; whether behind a NAT."""

    uri: str
    routes: tuple[str, ...]
    address: Address
    nat: bool


def reach(binding: Binding) -> Reach:
    """The way to a contact: over its flow, by its Path (RFC 3327 §5.4), or to the contact itself."""
    if binding.path:
        return Reach(binding.contact, binding.path, _proxy_of(binding), False)
    if binding.reg_id:
        return Reach(binding.contact, (), binding.source, _host_of(binding.contact) != binding.source[0])
    address, nat = _place_of(binding.contact, binding.source)
    return Reach(binding.contact, (), address, nat)


def by_proxy(request: Request, source: Address) -> bool:
    """Whether a request comes from a proxy that stays in its route (RFC 3261 §16.6): then the phone is not there."""
    if "record-route" not in request.headers.first:
        return False
    try:
        uri = parse_uri(parse_name_addr(next(iter(request.headers.values("record-route")), "")).uri)
    except SipError:
        return False
    return uri.host.strip("[]") == source[0]


def _proxy_of(binding: Binding) -> Address:
    """Where the first proxy of a Path is: at its URI when it speaks from there, else where it speaks from."""
    uri = parse_uri(parse_name_addr(binding.path[0]).uri)
    source = binding.source
    if uri.host.strip("[]") != source[0]:
        return source
    return on_transport((source[0], uri.port or _usual_port(uri)), _transport_of(uri) or transport_of(source))


def _place_of(text: str, source: Address) -> tuple[Address, bool]:
    """Where a phone, or the proxy before it, is; and whether behind a NAT.

    A URI that is not where it sends from is of no use. Who registered over a connection is reached over it
    (RFC 5626 §5.3).
    """
    try:
        uri = parse_uri(text)
    except SipError:
        return source, True
    same = uri.host.strip("[]") == source[0]
    if isinstance(source, StreamAddress) or not same:
        return source, not same
    return on_transport((source[0], uri.port or _usual_port(uri)), _transport_of(uri)), False


def _host_of(text: str) -> str:
    try:
        return parse_uri(text).host.strip("[]")
    except SipError:
        return ""


def names_us(x: Exchange, uri: Uri) -> bool:
    """Whether a URI is one of this very switch."""
    host, port = x.settings.local
    named = uri.host.strip("[]").lower()
    return (named == host or named in x.settings.domains) and uri.port in (None, port)


def leads_astray(values: Iterable[str], source: Address, is_here: Callable[[str, int], bool]) -> bool:
    """Whether one of these Contact or Path values is this very switch, or an address nobody can be reached at.

    A loopback address is that of whoever says it, so only one who speaks from there may have it. A value that cannot
    be read is left to the registrar.
    """
    for value in values:
        begin = value.find("<")
        text = value[begin + 1 : value.find(">", begin)] if begin >= 0 else value.partition(";")[0]
        try:
            uri = parse_uri(text.strip())
        except SipError:
            continue
        host = uri.host.strip("[]").lower()
        if _is_nowhere(host) or (_is_loopback(host) and not _is_loopback(source[0])):
            return True
        if is_here(host, uri.port or _usual_port(uri)):
            return True
    return False


def _transport_of(uri: Uri) -> str:
    """The transport that a URI asks for, "" when it leaves it open."""
    return "tls" if uri.scheme == "sips" else (uri.params.get("transport") or "").lower()


def _usual_port(uri: Uri) -> int:
    return 5061 if _transport_of(uri) == "tls" else 5060


@lru_cache(maxsize=4096)
def _is_nowhere(host: str) -> bool:
    """Whether it is an address of many, of none, or the broadcast address; any octet of 0/8 means `this host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return (
        address.is_multicast
        or address.is_unspecified
        or str(address) == "255.255.255.255"
        or (isinstance(address, ipaddress.IPv4Address) and address.packed[0] == 0)
    )


@lru_cache(maxsize=4096)
def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
