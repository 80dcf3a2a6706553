"""One contact of an address-of-record: what a REGISTER says of it, and in which order several are called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from switchboard.sip.address import NameAddr, parse_name_addr
from switchboard.sip.errors import ParseError, ProtocolError
from switchboard.sip.headers import is_digits, unquote
from switchboard.sip.message import Request
from switchboard.sip.outgoing import Address
from switchboard.sip.uri import is_sip_uri, is_well_formed, parse_uri, same_uri

MOST_OCTETS: Final = 1024
"""Of one Contact, and of all Path together: what a binding costs is bounded."""
MOST_HOPS: Final = 8
"""Proxies between a phone and us; no network has more."""
_MOST_AGENT: Final = 80
_MOST_INSTANCE: Final = 128
_Q: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
_OWN: Final = frozenset({"expires", "q"})


def preference(params: dict[str, str | None]) -> float:
    """The q of a Contact, 1 where it has none or a malformed one (RFC 3261 §20.10)."""
    q = params.get("q") or ""
    return float(q) if _Q.match(q) else 1.0


class Binding(msgspec.Struct, frozen=True):
    """One contact of an address-of-record, as raw URI text, and who registered it from where.

    `params` are the other parameters as they stand behind the URI; `path` are the routes to it (RFC 3327);
    with `reg_id` it is a flow of its `instance`, reached over nothing else (RFC 5626).
    """

    contact: str
    source: Address
    q: float
    expires_at: float
    call_id: str
    cseq: int
    user_agent: str
    params: str = ""
    path: tuple[str, ...] = ()
    instance: str = ""
    reg_id: int = 0

    def is_newer_than(self, request: Request) -> bool:
        """Tell whether the request is older than the binding (RFC 3261 §10.3 step 7)."""
        return self.call_id == request.call_id and request.cseq <= self.cseq

    def line(self, now: float) -> str:
        """Write the Contact line with the seconds that are left (RFC 3261 §10.3 step 8)."""
        q = "" if self.q == 1.0 else f";q={self.q:g}"
        return f"Contact: <{self.contact}>{q}{self.params};expires={max(1, round(self.expires_at - now))}"


class Change(msgspec.Struct, frozen=True):
    """One Contact of a REGISTER: what it asks for. `reg_id` is 0 where no flow is to be kept."""

    address: NameAddr
    expires: int
    instance: str = ""
    reg_id: int = 0

    def concerns(self, binding: Binding) -> bool:
        """Tell whether it renews or replaces this binding.

        A flow is known by instance and number (RFC 5626 §6); a phone that has begun anew by its instance, wherever it
        is now; anything else by its URI (RFC 3261 §10.3 step 7).
        """
        if self.instance and self.instance == binding.instance:
            return not self.reg_id or binding.reg_id in (0, self.reg_id)
        if self.reg_id and binding.instance:
            return False
        return self.address.uri == binding.contact or same_uri(self.address.uri, binding.contact)

    def bind(self, request: Request, source: Address, path: tuple[str, ...], now: float) -> Binding:
        """Make the binding that is asked for."""
        given = self.address.params
        params = "".join([_parameter(name, value) for name, value in given.items() if name not in _OWN])
        return Binding(
            contact=self.address.uri,
            source=source,
            q=preference(given),
            expires_at=now + self.expires,
            call_id=request.call_id,
            cseq=request.cseq,
            user_agent=(request.headers.first.get("user-agent") or "")[:_MOST_AGENT],
            params=params,
            path=path,
            instance=self.instance,
            reg_id=self.reg_id,
        )


def read_contact(value: str) -> NameAddr:
    """Parse one Contact; raises ParseError also for one that is too long to be kept."""
    if len(value) > MOST_OCTETS:
        raise ParseError("too long to be kept", header="Contact")
    address = parse_name_addr(value, "Contact")
    if not is_well_formed(address.uri):
        raise ParseError("malformed URI", header="Contact", section="RFC 3261 §19.1")
    return address


def instance_of(address: NameAddr) -> str:
    """The instance of a phone, without quotes and brackets; "" when it names none (RFC 5626 §4.1)."""
    value = unquote(address.params.get("+sip.instance") or "").removeprefix("<").removesuffix(">")
    return value.lower() if len(value) <= _MOST_INSTANCE else ""


def reg_id_of(address: NameAddr) -> int:
    """The number of a flow, 0 when it names none or a malformed one (RFC 5626 §4.2)."""
    value = address.params.get("reg-id") or ""
    number = int(value) if is_digits(value) and len(value) <= 10 else 0
    return number if number < 1 << 31 else 0


def path_of(request: Request) -> tuple[str, ...]:
    """The Path values, from us to the phone; raises ParseError, or ProtocolError for what cannot be kept (RFC 3327)."""
    if "path" not in request.headers.first:
        return ()
    values = tuple(request.headers.values("path"))
    if len(values) > MOST_HOPS or sum(map(len, values)) > MOST_OCTETS:
        raise ProtocolError("too much to be kept", status=403, header="Path")
    for value in values:
        uri = parse_uri(parse_name_addr(value, "Path").uri)
        # RFC 3327 §4: such values must say that they are loose routes.
        if not uri.is_sip or "lr" not in uri.params:
            raise ParseError("not a loose route", header="Path", section="RFC 3327 §4")
    return values


def by_preference(bindings: Iterable[Binding], most: int) -> tuple[tuple[Binding, ...], ...]:
    """Those that SIP can call in the order in which they are: equal q at once, higher q first (RFC 3261 §16.6).

    The newest come first and `most` is how many there are in all. Of several flows of one phone only the newest
    counts: two of them would make it ring twice (RFC 5626 §5.3).
    """
    groups: dict[float, list[Binding]] = {}
    instances: set[str] = set()
    for binding in bindings:
        if not is_sip_uri(binding.contact) or (binding.reg_id and binding.instance in instances):
            continue
        if binding.instance:
            instances.add(binding.instance)
        groups.setdefault(binding.q, []).append(binding)
    plan: list[tuple[Binding, ...]] = []
    left = most
    for q in sorted(groups, reverse=True):
        group = tuple(groups[q][:left])
        if not group:
            break
        plan.append(group)
        left -= len(group)
    return tuple(plan)


def _parameter(name: str, value: str | None) -> str:
    return f";{name}" if value is None else f";{name}={value}"
