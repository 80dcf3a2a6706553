"""Names are known before calls need them, stay fresh, and survive a DNS that falls silent."""

from __future__ import annotations

import asyncio

import pytest

from switchboard.net.locator import MOST_PLACES, UNUSED, Locator, everywhere, without_dns
from switchboard.net.resolver import Answer, LookupFailed
from switchboard.sip.flow import TcpAddress, Tls6Address, TlsAddress
from switchboard.sip.locating import Naptr, Place, Question, Record, Srv, named_place

CARRIER = Place("carrier.test", None, "udp")


class Zone:
    """A DNS of a few records; `silent` gives no answer at all."""

    def __init__(self, **records: Record) -> None:
        self.records: dict[tuple[str, str], tuple[Record, ...]] = {
            ("_sip._udp.carrier.test", "SRV"): (Srv(0, 0, 5060, "a.test"), Srv(1, 0, 5062, "b.test")),
            ("a.test", "A"): ("192.0.2.1",),
            ("b.test", "A"): ("192.0.2.2",),
        }
        self.ttl = 100.0
        self.silent = False
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        """The answer to a question."""
        self.asked.append(question)
        await asyncio.sleep(0)
        if self.silent:
            raise LookupFailed(question.name)
        return Answer(self.records.get((question.name, question.kind), ()), self.ttl)


class Bench:
    """A locator with a clock of its own."""

    def __init__(self) -> None:
        self.zone = Zone()
        self.now = 1000.0
        self.told: list[tuple[str, str]] = []
        self.locator = Locator(self.zone, everywhere("udp", "tcp", "tls"), lambda most: 0, lambda: self.now, self._tell)

    def _tell(self, event: str, *, name: str) -> None:
        self.told.append((event, name))

    def targets(self, name: str = "carrier.test", transport: str = "udp") -> tuple[tuple[str, int], ...]:
        """Where a name leads now."""
        return self.locator.targets(name, transport, self.now)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and what is due be done."""
        self.now += seconds
        await self.locator.prepare(5.0)


@pytest.fixture
def bench() -> Bench:
    """A locator that knows nothing yet."""
    return Bench()


BOTH = (("192.0.2.1", 5060), ("192.0.2.2", 5062))


class TestLocator:
    """What calls see."""

    async def test_a_kept_name_is_known_after_the_start(self, bench: Bench) -> None:
        """The first call finds it; nothing is asked for the call."""
        bench.locator.keep([CARRIER])
        await bench.locator.prepare(5.0)
        asked = len(bench.zone.asked)
        assert bench.targets() == BOTH
        assert len(bench.zone.asked) == asked

    async def test_an_unknown_name_is_known_to_the_next_call(self, bench: Bench) -> None:
        """The first gets nothing at once rather than something late."""
        assert bench.targets() == ()
        await bench.pass_time(0.0)
        assert bench.targets() == BOTH

    async def test_addresses_need_no_dns(self, bench: Bench) -> None:
        """Of any family and transport, and also where there is no DNS at all."""
        for locator in (bench.locator, without_dns()):
            assert locator.targets("192.0.2.7:5070", "udp", 0.0) == (("192.0.2.7", 5070),)
            assert locator.targets("[2001:db8::1]", "tls", 0.0) == (Tls6Address(("2001:db8::1", 5061)),)
            assert locator.targets("192.0.2.7", "tcp", 0.0) == (TcpAddress(("192.0.2.7", 5060)),)
            assert locator.targets("no place", "", 0.0) == ()
            assert locator.targets("::x::", "", 0.0) == ()
        assert bench.zone.asked == []

    async def test_answers_are_asked_for_again_before_they_end(self, bench: Bench) -> None:
        """At nine tenths of their time; a call always finds what holds."""
        bench.locator.keep([CARRIER])
        await bench.pass_time(0.0)
        bench.zone.records["a.test", "A"] = ("192.0.2.11",)
        await bench.pass_time(89.0)
        assert bench.targets() == BOTH
        await bench.pass_time(2.0)
        assert bench.targets()[0] == ("192.0.2.11", 5060)

    async def test_while_dns_is_silent_the_last_answer_holds(self, bench: Bench) -> None:
        """RFC 8767; and it is asked again, more and more seldom."""
        bench.locator.keep([CARRIER])
        await bench.pass_time(0.0)
        bench.zone.silent = True
        for _ in range(20):
            await bench.pass_time(100.0)
            assert bench.targets() == BOTH
        assert bench.locator.failures > 0
        bench.zone.silent = False
        bench.zone.records["_sip._udp.carrier.test", "SRV"] = (Srv(0, 0, 5068, "b.test"),)
        await bench.pass_time(61.0)
        assert bench.targets() == (("192.0.2.2", 5068),)
        assert bench.told == [("dns.located", "carrier.test")]

    async def test_a_name_that_is_gone_leads_nowhere(self, bench: Bench) -> None:
        """DNS has said so; that is told, and holds as long as the zone says."""
        bench.locator.keep([CARRIER])
        await bench.pass_time(0.0)
        bench.zone.records.clear()
        await bench.pass_time(101.0)
        assert bench.targets() == ()
        assert bench.told == [("dns.located", "carrier.test"), ("dns.lost", "carrier.test")]
        asked = len(bench.zone.asked)
        await bench.pass_time(50.0)
        assert len(bench.zone.asked) == asked, "what is not there is remembered too"

    async def test_what_failed_is_last_for_a_while(self, bench: Bench) -> None:
        """And first again afterwards."""
        bench.locator.keep([CARRIER])
        await bench.pass_time(0.0)
        bench.locator.failed(BOTH[0], bench.now)
        assert bench.targets() == BOTH[::-1]
        bench.now += 30.0
        assert bench.targets() == BOTH

    async def test_the_name_of_a_certificate_is_the_one_that_was_looked_up(self, bench: Bench) -> None:
        """RFC 5922 §4: not the server's own."""
        bench.zone.records["carrier.test", "NAPTR"] = (Naptr(1, 1, "s", "SIPS+D2T", "", "_sips._tcp.carrier.test"),)
        bench.zone.records["_sips._tcp.carrier.test", "SRV"] = (Srv(0, 0, 5061, "a.test"),)
        bench.locator.keep([named_place("carrier.test")])
        await bench.pass_time(0.0)
        assert bench.targets(transport="") == (TlsAddress(("192.0.2.1", 5061)),)
        assert bench.locator.certificate_names == {("192.0.2.1", 5061): "carrier.test"}


class TestBounds:
    """Peers can make it neither grow nor wait."""

    async def test_names_of_peers_are_bounded_and_those_of_the_configuration_stay(self, bench: Bench) -> None:
        """Those that were not used for longest go first."""
        bench.locator.keep([CARRIER])
        for number in range(2 * MOST_PLACES):
            bench.targets(f"n{number}.test")
        assert bench.locator.counts()["dns_places"] <= MOST_PLACES + 1
        await bench.pass_time(0.0)
        assert bench.targets() == BOTH

    async def test_names_that_nobody_asks_for_are_forgotten(self, bench: Bench) -> None:
        """The watch does it by the way."""
        bench.targets("once.test")
        bench.now += UNUSED + 1
        watch = asyncio.ensure_future(bench.locator.watch())
        for _ in range(50):
            await asyncio.sleep(0)
        watch.cancel()
        assert bench.locator.counts()["dns_places"] == 0

    async def test_a_dns_that_hangs_does_not_hold_up_the_start(self, bench: Bench) -> None:
        """Calls to names fail until it answers."""

        async def hang(question: Question) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError

        bench.zone.ask = hang  # type: ignore[method-assign]
        bench.locator.keep([CARRIER])
        await bench.locator.prepare(0.01)
        assert bench.targets() == ()
