"""Asks DNS servers; each question is one task of the caller's, bounded in time."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from switchboard.sip.locating import Naptr, Question, Record, Srv

NEGATIVE: Final = 60.0
"""Seconds that "there is none" holds where the zone does not say (RFC 2308 §5)."""

DNS_PORT: Final = 53


class Answer(NamedTuple):
    """What DNS said, and for how many seconds that holds; without records there are none."""

    records: tuple[Record, ...]
    ttl: float


class LookupFailed(Exception):  # noqa: N818 - nobody's error: servers may be away
    """No server has said anything: nothing is known of the name."""


class Resolver(Protocol):
    """Who asks DNS."""

    async def ask(self, question: Question) -> Answer:
        """The answer to a question; raises LookupFailed."""


class DnsResolver:
    """Asks the servers of the configuration, or those of the system, over UDP and, where an answer is cut, TCP."""

    def __init__(self, servers: tuple[tuple[str, int], ...] = (), timeout: float = 2.0) -> None:
        """`servers` are addresses and ports; none: those of the system. `timeout` is for all tries of one question."""
        self._servers = servers
        self._timeout = timeout
        self._asker: dns.asyncresolver.Resolver | None = None

    async def ask(self, question: Question) -> Answer:
        """The answer to a question; raises LookupFailed."""
        try:
            asker = self._asker or self._open()
            answer = await asker.resolve(
                dns.name.from_text(question.name),
                dns.rdatatype.from_text(question.kind),
                raise_on_no_answer=False,
                lifetime=self._timeout,
            )
        except dns.resolver.NXDOMAIN as absent:
            replies = absent.responses()  # type: ignore[no-untyped-call]
            return Answer((), _negative_ttl(next(iter(replies.values()), None)))
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise LookupFailed(f"{question.name} {question.kind}: {type(error).__name__}") from error
        if answer.rrset is None:
            return Answer((), _negative_ttl(answer.response))
        records = tuple([record for data in answer.rrset if (record := _record(data)) is not None])
        return Answer(records, float(answer.chaining_result.minimum_ttl))

    def _open(self) -> dns.asyncresolver.Resolver:
        """Read the system's settings at the first question, and not at all where servers are given."""
        asker = dns.asyncresolver.Resolver(configure=not self._servers)
        asker.timeout = self._timeout / 3
        asker.use_edns(0, 0, 1232)
        if self._servers:
            asker.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers]
        self._asker = asker
        return asker


def _record(data: object) -> Record | None:
    if isinstance(data, NAPTR):
        return Naptr(
            data.order,
            data.preference,
            _text(data.flags),
            _text(data.service),
            _text(data.regexp),
            _name(data.replacement),
        )
    if isinstance(data, SRV):
        return Srv(data.priority, data.weight, data.port, _name(data.target))
    if isinstance(data, A | AAAA):
        return str(data.address)
    return None


def _name(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


def _negative_ttl(response: dns.message.Message | None) -> float:
    """How long a name or type is known not to be there: the least of the SOA's TTL and its minimum (RFC 2308 §5)."""
    for rrset in response.authority if response is not None else ():
        for data in rrset:
            if isinstance(data, SOA):
                return float(min(rrset.ttl, data.minimum))
    return NEGATIVE
