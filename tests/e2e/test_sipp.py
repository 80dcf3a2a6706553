"""A carrier we did not write: SIPp keys extensions from its own captures and talks to registered desks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Answer, Phone
from tests.support.planes import Plane, on_both
from tests.support.sipp import Caller, Heard, listening, need_sipp, place
from tests.support.stage import hear_something, together
from tests.support.switch import RunningSwitch, running_switch

NUMBER = "4008001234"
DOMAIN = "switchboard.local"
# SIPp's captures share one SSRC, and each has sequence numbers and timestamps of its own that never change:
# they go backwards from digit to digit, and repeat when a digit does.
EXTENSIONS = ("112233", "427142", "000000", "987123")
THE_DESK_HANGS_UP = ("427142", "000000")


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, plane: Plane) -> Iterator[RunningSwitch]:
    """A switch with a desk behind each of the extensions."""
    need_sipp()
    changes = {
        "accounts": [{"user": extension, "password": f"secret-{extension}"} for extension in EXTENSIONS],
        "masks": [{"number": NUMBER, "extension": each, "target": f"aor:{each}"} for each in EXTENSIONS],
    }
    with running_switch(tmp_path_factory.mktemp("switch"), **changes, **plane.changes) as running:
        yield running


async def sipp_calls(switch: RunningSwitch, caller: Caller, directory: Path) -> None:
    """One whole call, from the carrier's side: nothing failed, nothing was sent twice."""
    totals = await place(caller, switch.target, directory, NUMBER)
    assert (totals.created, totals.successful, totals.failed) == (1, 1, 0), totals
    assert (totals.unexpected, totals.retransmissions) == (0, 0), totals


async def the_desk_answers(switch: RunningSwitch, extension: str) -> None:
    """Ring, answer, hear SIPp's speech, send a tone, and hang up or be hung up."""
    phone = await Phone.open(extension, target=switch.target, password=f"secret-{extension}", domain=DOMAIN)
    async with phone:
        phone.behaviour = Answer(after=0.2)
        await phone.register()
        call = await phone.next_call(within=10)
        await call.confirmed()
        call.rtp.play(880)
        if extension in THE_DESK_HANGS_UP:
            await hear_something(call)
            await call.hang_up()
        else:
            await call.ended()
        stats = call.rtp.stats()
        assert stats.received >= 20
        assert stats.lost == 0
        assert call.rtp.loudness(0.5) > 100
        assert phone.complaints == []
        assert len(phone.received("INVITE")) == 1


@on_both
async def test_sipp_reaches_the_extensions_it_keys(switch: RunningSwitch, tmp_path: Path, plane: Plane) -> None:
    """Repeated digits and timestamps that run backwards: each caller reaches its desk, both ways are heard."""
    callers = {each: Caller(f"1391111{each[:4]}", each) for each in EXTENSIONS}
    with listening() as captured:
        await together(
            *(the_desk_answers(switch, each) for each in callers),
            *(sipp_calls(switch, caller, tmp_path) for caller in callers.values()),
        )
    await switch.nothing_left()
    for extension, caller in callers.items():
        check_heard(captured[0], caller, streams=1 if plane.counts_all else 2)
        by = "agent" if extension in THE_DESK_HANGS_UP else "caller"
        check_record(switch, extension, by)


def check_heard(heard: Heard, caller: Caller, streams: int) -> None:
    """The caller was sent the prompt before it keyed, and the desk's tone at the end, without a gap."""
    assert heard.before_the_keys(caller) >= 25
    ear = heard.by(caller)
    assert ear.hears(880, 0.5, skip=0.1)
    stats = ear.stats()
    assert (stats.lost, stats.duplicates, stats.streams) == (0, 0, streams)


def check_record(switch: RunningSwitch, extension: str, by: str) -> None:
    """One record, with both legs and what was heard on them."""
    (call,) = switch.rows(f"select * from calls where extension = '{extension}'")
    assert (call["called"], call["flow"], call["ended_by"], call["cause"]) == (NUMBER, "extension", by, "normal")
    legs = switch.rows(f"select * from legs where call_id = '{call['id']}' order by place")
    assert [leg["role"] for leg in legs] == ["caller", "agent"]
    assert all(leg["received"] >= 20 and leg["sent"] >= 20 and leg["strangers"] == 0 for leg in legs)
    assert call["transfer_latency_us"] < 100_000
