"""A real DNS server is asked, and what it says is understood."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from switchboard.net.resolver import DnsResolver, LookupFailed
from switchboard.sip.locating import Naptr, Question, Record, Srv
from tests.support.dns import NameServer
from tests.support.ports import free_port

RECORDS = (
    "host-record=a.test,192.0.2.1,2001:db8::1",
    "host-record=b.test,192.0.2.2",
    "srv-host=_sip._udp.carrier.test,a.test,5070,1,20",
    "srv-host=_sip._udp.carrier.test,b.test,5080,2",
    "srv-host=_sip._tcp.closed.test",
    "naptr-record=carrier.test,10,20,s,SIP+D2U,,_sip._udp.carrier.test",
    "cname=alias.test,a.test",
)
CASES: tuple[tuple[Question, set[Record]], ...] = (
    (Question("a.test", "A"), {"192.0.2.1"}),
    (Question("a.test", "AAAA"), {"2001:db8::1"}),
    (Question("alias.test", "A"), {"192.0.2.1"}),
    (Question("b.test", "AAAA"), set()),
    (Question("nowhere.test", "SRV"), set()),
    (
        Question("_sip._udp.carrier.test", "SRV"),
        {Srv(1, 20, 5070, "a.test"), Srv(2, 0, 5080, "b.test")},
    ),
    (Question("_sip._tcp.closed.test", "SRV"), {Srv(0, 0, 1, "")}),
    (
        Question("carrier.test", "NAPTR"),
        {Naptr(10, 20, "s", "SIP+D2U", "", "_sip._udp.carrier.test")},
    ),
)


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    """One dnsmasq for all tests of this file."""
    with NameServer(RECORDS, ttl=77) as server:
        yield server


class TestDnsResolver:
    """Against dnsmasq."""

    @pytest.mark.parametrize(("question", "expected"), CASES)
    async def test_each_type_of_record_is_read(
        self, server: NameServer, question: Question, expected: set[Record]
    ) -> None:
        """What is not there is an answer too, and has its time."""
        answer = await DnsResolver((("127.0.0.1", server.port),), 5.0).ask(question)
        assert set(answer.records) == expected
        assert answer.ttl > 0

    async def test_the_ttl_is_the_zones(self, server: NameServer) -> None:
        """The least of a chain of aliases."""
        assert (await DnsResolver((("127.0.0.1", server.port),)).ask(Question("a.test", "A"))).ttl == 77.0

    async def test_the_second_server_is_asked_when_the_first_is_silent(self, server: NameServer) -> None:
        """One dead server costs a part of the time, not the answer."""
        resolver = DnsResolver((("127.0.0.1", free_port()), ("127.0.0.1", server.port)), 6.0)
        assert (await resolver.ask(Question("a.test", "A"))).records == ("192.0.2.1",)

    @pytest.mark.parametrize("name", ["a.test", "x" * 64 + ".test", "a..test"])
    async def test_silence_and_names_that_are_none_are_failures(self, name: str) -> None:
        """Nothing else is raised, whatever the name."""
        with pytest.raises(LookupFailed):
            await DnsResolver((("127.0.0.1", free_port()),), 0.3).ask(Question(name, "A"))
