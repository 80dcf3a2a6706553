"""INVITEs that are refused so that calls which are up do not suffer."""

from __future__ import annotations

import re

import pytest

from switchboard.sip.events import RequestReceived
from tests.unit.sip.peer import Rig, first_line, request

MANY = 400


def invite(number: int, **more: object) -> bytes:
    """The INVITE of one of many calls."""
    return request(branch=f"z9hG4bK{number}", call_id=f"call-{number}", from_tag=f"f{number}", **more)  # type: ignore[arg-type]


def refused(rig: Rig) -> list[bytes]:
    """The 503s sent so far."""
    return [data for _, data, _ in rig.log if first_line(data) == "503"]


@pytest.mark.parametrize(("shed", "least", "most"), [(0, 0, 0), (64, 60, 140), (128, 150, 250), (256, MANY, MANY)])
def test_a_part_of_new_calls_is_refused(shed: int, least: int, most: int) -> None:
    """Without a transaction or an event; each is told when to come again, not all at once."""
    rig = Rig()
    rig.core.refusals.shed, rig.core.refusals.retry_after = shed, 5
    for number in range(MANY):
        rig.receive(invite(number))
    sent = refused(rig)
    assert least <= len(sent) <= most
    assert rig.core.refusals.made == len(sent)
    assert rig.core.counts()["server_transactions"] == MANY - len(sent) == len(rig.events)
    waits = {int(match[1]) for data in sent if (match := re.search(rb"Retry-After: (\d+)\r\n", data))}
    assert waits <= set(range(5, 11))
    if sent:
        assert len(waits) > 3


def test_copies_of_an_invite_fare_alike() -> None:
    """A retransmission is refused when its first was, and else absorbed: no call whose caller has given up."""
    rig = Rig()
    rig.core.refusals.shed = 128
    for _ in range(3):
        for number in range(100):
            rig.receive(invite(number))
    taken = [event for event in rig.events if isinstance(event, RequestReceived)]
    assert len(refused(rig)) == 3 * (100 - len(taken))
    assert 20 < len(taken) < 80


def test_calls_that_are_up_go_on() -> None:
    """Within dialogs, and for what takes the place of one, nothing is refused; other methods neither."""
    rig = Rig()
    rig.core.refusals.shed = 256
    rig.receive(request("INVITE", branch="z9hG4bKa", to_tag="ours", cseq=2))
    rig.receive(request("INVITE", branch="z9hG4bKb", call_id="b", lines=("Replaces: x;to-tag=1;from-tag=2",)))
    for place, method in enumerate(("BYE", "INFO", "OPTIONS", "REGISTER")):
        rig.receive(request(method, branch=f"z9hG4bKm{place}", call_id=f"m{place}"))
    assert refused(rig) == []
    assert len(rig.events) == 6


def test_the_acks_of_refusals_go_nowhere() -> None:
    """Nothing stays behind of what was refused."""
    rig = Rig()
    rig.core.refusals.shed = 256
    rig.receive(invite(1))
    rig.receive(request("ACK", branch="z9hG4bK1", call_id="call-1", from_tag="f1", to_tag="any"))
    assert all(count == 0 for count in rig.core.counts().values())
