"""Where an INVITE may go: destinations called at once, and others after them when nothing came of those.

A phone of an account with several is one of a group (RFC 3261 §16.6), a server of a name in the DNS or a carrier's next
gateway is a group of its own (RFC 3263 §4.3).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from media.control import KeyForm
from media.sdes import Policy

Address = tuple[str, int]

UNAVAILABLE: Final = frozenset({408, 430, 500, 502, 503, 504})
"""After these another server may well do better (RFC 3263 §4.3, RFC 5626 §6)."""


class Destination(msgspec.Struct, frozen=True):
    """Where an INVITE goes: Request-URI, To, the number shown to it, packet address; `peer` is for records.

    `routes` are those of its Path (RFC 3327), the nearest first; `headers` lines for this destination alone.
    `codecs` names those it may have where they are not the configuration's, `srtp` whether it is secured, likewise; all
    are offered those of the first. `keys` is the form in which keys go there. `web`: it is a browser.
    `drops` names headers, in lower case, that it is not sent, `from_` is the From where it is not the number shown at
    our own address. `gateway` is whose channel it takes and whose account answers its challenges, "" for none.
    `audio_from` is that of `Leg`.
    """

    uri: str
    to: str
    shown: str
    address: Address
    peer: str
    nat: bool = False
    routes: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    drops: frozenset[str] = frozenset()
    from_: str = ""
    gateway: str = ""
    codecs: tuple[str, ...] = ()
    srtp: Policy | None = None
    keys: KeyForm = "auto"
    web: bool = False
    audio_from: str = ""


class Group(msgspec.Struct, frozen=True):
    """Destinations that are called at the same time; the first 2xx ends the attempt.

    `failover` are the statuses after which the next group is called, None for any. While there is a next group:
    `silence` are the seconds in which somebody has to answer anything at all, `patience` those for which they may
    ring; 0: no limit.
    """

    destinations: tuple[Destination, ...]
    failover: frozenset[int] | None = UNAVAILABLE
    silence: float = 4.0
    patience: float = 0.0

    def leads_on(self, status: int) -> bool:
        """Whether the next group is called after this final status; 6xx is the last word (RFC 3261 §21.6)."""
        return status < 600 and (self.failover is None or status in self.failover)


Plan: TypeAlias = tuple[Group, ...]
"""Groups in the order in which they are called; never empty."""


def only(destination: Destination) -> Plan:
    """The plan of one destination."""
    return (Group((destination,)),)


def is_plain(plan: Plan) -> bool:
    """Whether there is one INVITE to send and nothing to be done about its failure."""
    first = plan[0].destinations
    return len(plan) == 1 and len(first) == 1 and not first[0].gateway
