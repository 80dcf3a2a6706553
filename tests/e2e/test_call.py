"""The whole line with our scripted phone on both ends: number, prompt, keys, ringing, talk, hang-up."""

from __future__ import annotations

from bench.phone import Answer, Phone
from tests.support.planes import on_both
from tests.support.switch import RunningSwitch


@on_both
async def test_a_caller_reaches_a_registered_phone_by_its_extension(switch: RunningSwitch) -> None:
    """Prompt, six keys, ringing, audio both ways, a record, and nothing left behind."""
    async with (
        await Phone.open("alice", target=switch.target, password="alice-secret", domain="switchboard.local") as alice,
        await Phone.open("13800138000", target=switch.target) as carrier,
    ):
        await alice.register()
        alice.behaviour = Answer(after=0.2)
        call = await carrier.dial("4008001234")
        await call.answered()
        await call.rtp.key("800001")
        far = await alice.next_call()
        await far.confirmed()
        call.rtp.play(440)
        far.rtp.play(880)
        await far.hears(440)
        await call.hears(880)
        await call.hang_up()
        await far.ended()
    await switch.nothing_left()
    (record,) = await switch.records(1)
    assert (record["extension"], record["ended_by"], record["cause"]) == ("800001", "caller", "normal")
