"""Where a SIP server is, told from what DNS says of it (RFC 3263, RFC 2782), without asking DNS.

`locate` is called with the answers that are there and says either which are still wanted or what follows from them;
who asks is another matter. `in_order` is done anew for each request, so that weights spread them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from switchboard.sip.flow import on_transport

if TYPE_CHECKING:
    from switchboard.sip.outgoing import Address
    from switchboard.sip.uri import Uri

Kind: TypeAlias = Literal["NAPTR", "SRV", "A", "AAAA"]


class Question(NamedTuple):
    """What DNS is asked: a name in lower case without its last dot, and a type of record."""

    name: str
    kind: Kind


class Naptr(NamedTuple):
    """A NAPTR record (RFC 3403 §4.1)."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str


class Srv(NamedTuple):
    """A SRV record (RFC 2782); the target "" stands for ".", by which a service is said not to be there."""

    priority: int
    weight: int
    port: int
    target: str


Record: TypeAlias = Naptr | Srv | str
"""Addresses, of A and AAAA, are text."""

Answers: TypeAlias = Mapping[Question, tuple[Record, ...]]
"""What DNS has said; an empty answer is one too."""

Means: TypeAlias = Mapping[str, tuple[Kind, ...]]
"""By transport that we have, the address records we can use there, the preferred first."""


class Place(msgspec.Struct, frozen=True):
    """What a URI says of where it leads."""

    host: str
    """A name in lower case, or an address without brackets."""
    port: int | None = None
    transport: str = ""
    """As asked for: "udp", "tcp", "tls"; empty where the URI leaves it open."""
    secure: bool = False
    """True: the scheme is sips, nothing less than TLS will do (RFC 3261 §26.2.2)."""


class Choice(NamedTuple):
    """One server: its weight among those of its rank, and its addresses, the preferred first."""

    weight: int
    addresses: tuple[Address, ...]


Ranks: TypeAlias = tuple[tuple[Choice, ...], ...]
"""Servers by rank: all of one are tried, in an order drawn by their weights, before any of the next (RFC 2782)."""

SERVICES: Final[dict[str, str]] = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
"""What NAPTR records offer that we know (RFC 3263 §4.1)."""

PREFIXES: Final[dict[str, str]] = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}
"""Before a domain, the name of its SRV records by transport (RFC 3263 §4.1)."""

UNASKED: Final[tuple[str, ...]] = ("udp", "tcp", "tls")
"""In what order transports are tried that only SRV records tell of."""

_NAMED: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_][A-Za-z0-9_.\-]*))(?::([0-9]{1,5}))?")

MOST_SERVERS: Final = 16
"""So many SRV records of one name are believed, the best ones."""

MOST_ADDRESSES: Final = 8
"""The same of addresses."""


def place_of(uri: Uri) -> Place:
    """Where a sip or sips URI leads; `maddr` is in place of its host (RFC 3263 §4)."""
    host = uri.params.get("maddr") or uri.host
    return Place(
        host.strip("[]").rstrip(".").lower(),
        uri.port,
        (uri.params.get("transport") or "").lower(),
        uri.scheme == "sips",
    )


def named_place(text: str, transport: str = "") -> Place:
    """Where `host`, `host:port`, `address:port` or `[address]:port` leads; ValueError for what is none of them."""
    if is_address(text):
        return Place(text, None, transport)
    match = _NAMED.fullmatch(text)
    port = int(match[3]) if match is not None and match[3] else None
    if match is None or (port is not None and not 0 < port < 65536) or (match[1] and not is_address(match[1])):
        raise ValueError(f"'{text}' is no host, host:port or address:port")
    return Place((match[1] or match[2]).rstrip(".").lower(), port, transport)


def is_address(host: str) -> bool:
    """Whether a host is an IP address, so that DNS need not be asked."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def locate(place: Place, answers: Answers, means: Means) -> Ranks | frozenset[Question]:
    """The servers behind a place, or the questions whose answers are missing.

    Without any server, also where we lack the transport that is asked for, there is no rank.
    """
    transport = _wanted(place)
    if is_address(place.host):
        # RFC 3263 §4.2: an address is what it is, written as sockets write it.
        address = _at(str(ipaddress.ip_address(place.host)), place.port, transport or _plain(place))
        return ((Choice(0, (address,)),),) if (transport or _plain(place)) in means else ()
    if transport and transport not in means:
        return ()
    search = _Search(answers, means)
    found: Ranks
    if place.port is not None:
        found = search.hosts(place.host, place.port, transport or _plain(place))
    elif transport:
        served = search.servers(f"{PREFIXES[transport]}{place.host}", transport)
        found = search.hosts(place.host, None, transport) if served is None else served
    else:
        found = _by_naptr(place, search)
    return frozenset(search.missing) or found


def in_order(ranks: Ranks, draw: Callable[[int], int]) -> tuple[Address, ...]:
    """All addresses in the order in which one request tries them (RFC 2782: "Weight").

    `draw(n)` gives a random number from 0 to n, both included.
    """
    tried: list[Address] = []
    for rank in ranks:
        # Those of weight 0 are first, so that they have a small chance.
        left = sorted(rank, key=lambda choice: choice.weight != 0) if len(rank) > 1 else list(rank)
        while left:
            chosen = left.pop(_drawn(left, draw) if len(left) > 1 else 0)
            tried += [address for address in chosen.addresses if address not in tried]
    return tuple(tried)


def _drawn(choices: list[Choice], draw: Callable[[int], int]) -> int:
    """The first whose running sum of weights reaches the number drawn."""
    number = draw(sum(choice.weight for choice in choices))
    running = 0
    for index, choice in enumerate(choices):
        running += choice.weight
        if running >= number:
            return index
    return len(choices) - 1


def _wanted(place: Place) -> str:
    """The transport that is asked for; one that does not exist is asked for too, and found nowhere."""
    if place.secure:
        # RFC 3261 §26.2.2: sips with transport=tcp means TLS over TCP; there is no sips over UDP.
        return "tls" if place.transport in ("tcp", "tls") else place.transport and "none"
    return place.transport


def _plain(place: Place) -> str:
    """The transport where nothing else decides (RFC 3263 §4.1)."""
    return "tls" if place.secure else "udp"


def _at(host: str, port: int | None, transport: str) -> Address:
    return on_transport((host, port or (5061 if transport == "tls" else 5060)), transport)


def _by_naptr(place: Place, search: _Search) -> Ranks:
    """Neither port nor transport is given (RFC 3263 §4.1): by NAPTR, else by SRV, else by address records."""
    records = search.naptr(place)
    if records is None:
        return ()
    if records:
        return tuple(
            rank
            for record in records
            for rank in search.servers(_folded(record.replacement), SERVICES[record.service.upper()]) or ()
        )
    transports = ("tls",) if place.secure else UNASKED
    ranks: list[tuple[Choice, ...]] = []
    offered = False
    for transport in transports:
        if transport in search.means:
            served = search.servers(f"{PREFIXES[transport]}{place.host}", transport)
            offered = offered or served is not None
            ranks += served or ()
    if offered or search.missing:
        return tuple(ranks)
    return search.hosts(place.host, None, _plain(place))


class _Search:
    """One pass over the answers, which notes what it misses."""

    def __init__(self, answers: Answers, means: Means) -> None:
        self.means = means
        self.missing: set[Question] = set()
        self._answers = answers

    def _answer(self, name: str, kind: Kind) -> tuple[Record, ...] | None:
        question = Question(name, kind)
        answer = self._answers.get(question)
        if answer is None:
            self.missing.add(question)
        return answer

    def naptr(self, place: Place) -> list[Naptr] | None:
        """Usable NAPTR records of the lowest order that has any, the preferred first; None while not known.

        Higher orders are not looked at (RFC 3403 §4.1).
        """
        answer = self._answer(place.host, "NAPTR")
        if answer is None:
            return None
        usable = [record for record in answer if isinstance(record, Naptr) and self._serves(record, place)]
        lowest = min((record.order for record in usable), default=0)
        return sorted((one for one in usable if one.order == lowest), key=lambda one: one.preference)

    def _serves(self, record: Naptr, place: Place) -> bool:
        transport = SERVICES.get(record.service.upper())
        return (
            transport in self.means
            and (transport == "tls" or not place.secure)
            and record.flags.lower() == "s"
            and not record.regexp
            and bool(record.replacement.rstrip("."))
        )

    def servers(self, name: str, transport: str) -> Ranks | None:
        """The servers of SRV records; None when there are no such records, empty when they say that nobody serves."""
        answer = self._answer(name, "SRV")
        if answer is None:
            return ()
        records = [record for record in answer if isinstance(record, Srv)]
        if not records:
            return None
        best = sorted(records, key=lambda one: one.priority)[:MOST_SERVERS]
        ranks = (self._rank(tied, transport) for _, tied in groupby(best, key=lambda one: one.priority))
        return tuple([rank for rank in ranks if rank])

    def _rank(self, records: Iterable[Srv], transport: str) -> tuple[Choice, ...]:
        found = [
            Choice(record.weight, self._addresses(_folded(record.target), record.port, transport))
            for record in records
            if record.target.rstrip(".") and record.port
        ]
        return tuple([choice for choice in found if choice.addresses])

    def hosts(self, host: str, port: int | None, transport: str) -> Ranks:
        """A host by its own addresses (RFC 3263 §4.2)."""
        if transport not in self.means:
            return ()
        addresses = self._addresses(host, port, transport)
        return ((Choice(0, addresses),),) if addresses else ()

    def _addresses(self, host: str, port: int | None, transport: str) -> tuple[Address, ...]:
        if is_address(host):
            return (_at(host, port, transport),)
        found: list[Address] = []
        for kind in self.means[transport]:
            answer = self._answer(host, kind) or ()
            found += [_at(one, port, transport) for one in answer if isinstance(one, str)]
        return tuple(dict.fromkeys(found))[:MOST_ADDRESSES]


def _folded(name: str) -> str:
    return name.rstrip(".").lower()
