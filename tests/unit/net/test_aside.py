"""Phones that register by the thousand wait, calls do not."""

from __future__ import annotations

import asyncio

from switchboard.net import aside as module
from switchboard.net.aside import Aside
from switchboard.net.driver import FEW, MANY
from switchboard.net.udp import BATCH
from tests.unit.net.test_driver import Bench
from tests.unit.net.test_driver import bench as bench

HERE = ("127.0.0.1", 5060)


def test_what_may_wait() -> None:
    """In order, each once; everything else goes on."""
    aside = Aside()
    batch = [
        (b"REGISTER 1", HERE),
        (b"INVITE 2", HERE),
        (b"REGISTER 1", HERE),
        (b"OPTIONS 3", HERE),
        (b"SIP/2.0", HERE),
    ]
    assert aside.sort(batch) == [(b"INVITE 2", HERE), (b"SIP/2.0", HERE)]
    assert len(aside) == 2
    assert aside.take(1) == [(b"REGISTER 1", HERE)]
    assert aside.take(9) == [(b"OPTIONS 3", HERE)]
    assert not aside
    assert aside.dropped == 0


def test_not_too_many() -> None:
    """The memory is bounded; what is lost is counted."""
    aside = Aside()
    aside.sort([(b"REGISTER %d" % number, HERE) for number in range(module.MOST + 5)])
    assert (len(aside), aside.dropped) == (module.MOST, 5)


def test_not_too_many_octets() -> None:
    """Nor do large datagrams fill the memory; what was taken makes room."""
    aside = Aside()
    large = 60_000
    aside.sort([(b"REGISTER %d" % number + bytes(large), HERE) for number in range(2000)])
    assert len(aside) * large < module.MOST_OCTETS + 2 * large
    assert aside.dropped == 2000 - len(aside)
    aside.take(5)
    aside.sort([(b"REGISTER late", HERE)])
    assert aside.take(2000)[-1] == (b"REGISTER late", HERE)


async def test_calls_come_first(bench: Bench) -> None:
    """A full batch is a crowd: its calls are served at once, its registrations a few at a time."""
    client = bench.client.getsockname()
    crowd = [(b"REGISTER %d" % number, client) for number in range(BATCH - 1)]
    bench.driver._batch([*crowd, (b"INVITE", client)])
    assert len(bench.driver.aside) == BATCH - 1
    assert FEW < MANY < BATCH
    bench.driver._batch([(b"BYE", client), (b"REGISTER late", client)])
    assert len(bench.driver.aside) == BATCH
    assert [await bench.receive(), await bench.receive()] == [b"INVITE", b"BYE"]
    answered = []
    async with asyncio.timeout(5):
        while len(answered) < BATCH:
            answered.append(await bench.receive())
    assert answered == [*(data for data, _ in crowd), b"REGISTER late"]
    assert not bench.driver.aside


async def test_a_few_are_served_at_once(bench: Bench) -> None:
    """Nothing waits while there is no crowd."""
    client = bench.client.getsockname()
    bench.driver._batch([(b"REGISTER 1", client), (b"REGISTER 2", client)])
    assert not bench.driver.aside
    assert bench.driver.transport.sent == 2


async def test_nothing_is_served_after_the_end(bench: Bench) -> None:
    """What waits when the socket is closed is gone."""
    client = bench.client.getsockname()
    bench.driver._batch([(b"REGISTER %d" % number, client) for number in range(BATCH)])
    bench.driver.close()
    await asyncio.sleep(0)
    assert len(bench.driver.aside) == BATCH
