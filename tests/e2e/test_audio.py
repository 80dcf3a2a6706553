"""What is heard and by whom: hold, codecs, early media, music, keys passed on, and strangers at the port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from bench.phone import Answer, Call, Dialled, Never, Phone, RefusedError
from bench.rtp import RtpPort
from tests.support.patience import PATIENCE
from tests.support.planes import Plane, on_both
from tests.support.stage import (
    GREETING,
    MUSIC,
    NUMBER,
    PROMPT,
    Stage,
    hear_each_other,
    hear_something,
    keys_heard,
    secret,
    stage_config,
    together,
)
from tests.support.switch import running_switch


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, plane: Plane) -> Iterator[Stage]:
    """A switch with a desk for every scenario."""
    with running_switch(tmp_path_factory.mktemp("stage"), **stage_config(), **plane.changes) as switch:
        yield Stage(switch, plane)


async def heard_afresh(call: Call, hz: float) -> None:
    """Hear a tone that begins now."""
    call.rtp.received.clear()
    await call.hears(hz)


# --- strangers ---


@contextlib.asynccontextmanager
async def stranger(call: Call, host: str) -> AsyncIterator[RtpPort]:
    """Somebody who has found out the port that the switch leased to this call."""
    assert call.remote_audio is not None
    port = await RtpPort.open(host)
    port.remote = (call.remote_audio.address, call.remote_audio.port)
    try:
        yield port
    finally:
        port.close()


async def strangers_are_not_heard(stage: Stage) -> None:
    """From another host and from another port of the same host, at both ends of a call."""
    async with stage.pair() as pair:
        call, far = await pair.talk()
        async with (
            stranger(call, "127.0.0.7") as one,
            stranger(call, "127.0.0.1") as two,
            stranger(far, "127.0.0.8") as three,
        ):
            for other in (one, two, three):
                other.play(1500)
            await together(heard_afresh(call, 880), heard_afresh(far, 440))
            assert not call.rtp.hears(1500, 0.2)
            assert not far.rtp.hears(1500, 0.2)
            assert [len(other.received) for other in (one, two, three)] == [0, 0, 0]
            assert min(other.sent for other in (one, two, three)) > 10
        await call.hang_up()
        await far.ended()
        record = await stage.ended(pair, "caller", "normal")
        for leg, end in zip(record["legs"], (call, far), strict=True) if stage.plane.counts_all else ():
            assert leg["received"] <= end.rtp.sent, "nothing of the strangers is counted as the peer's"


async def a_stranger_keys_nothing(stage: Stage) -> None:
    """Digits and audio from another host before the caller has sent a packet: the prompt stays where it is."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(NUMBER)
        await call.answered()
        async with stranger(call, "127.0.0.9") as other:
            await together(heard_afresh(call, PROMPT), other_keys(other, pair.extension))
            assert len(other.received) == 0
        assert pair.desk.received("INVITE") == []
        await call.hang_up()
        record = await stage.ended(pair, "caller", "normal", legs=1)
        if stage.plane.counts_all:
            assert record["legs"][0]["strangers"] > 0


async def other_keys(other: RtpPort, digits: str) -> None:
    """Key digits."""
    await other.key(digits, on=0.06, gap=0.02)


@on_both
async def test_strangers_at_the_media_ports_are_not_heard(stage: Stage) -> None:
    """Packets of third parties are neither passed on nor taken for keys, and steal no stream."""
    await together(strangers_are_not_heard(stage), a_stranger_keys_nothing(stage))
    await stage.switch.nothing_left()


# --- hold ---


async def stays_silent(stage: Stage, listening: Call, other: Call, hz: int) -> None:
    """Nothing reaches one side, and the other hears the switch's music rather than what that side sends."""
    # Who is another process's peer is silenced by a command that comes after the answer.
    on_its_way = 2 if stage.plane.counts_all else 25
    listening.rtp.play(hz)
    listening.rtp.received.clear()
    await asyncio.sleep(0.2)
    other.rtp.received.clear()
    await asyncio.sleep(1.0)
    assert len(listening.rtp.received) <= on_its_way, "at most what was on its way"
    await hear_something(other, 0.6)
    assert not other.rtp.hears(hz, 0.6)


async def the_caller_holds(stage: Stage) -> None:
    """It still sends, hears nothing, and comes back."""
    async with stage.pair() as pair:
        call, far = await pair.talk()
        assert b"a=recvonly" in (await call.reinvite("sendonly")).body
        await stays_silent(stage, call, far, 520)
        assert b"a=sendrecv" in (await call.reinvite("sendrecv")).body
        await together(heard_afresh(call, 880), heard_afresh(far, 520))
        assert pair.desk.received("INVITE")[1:] == [], "the other side hears nothing of it"
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


async def the_desk_holds(stage: Stage) -> None:
    """As the caller does; then inactive, and back."""
    async with stage.pair() as pair:
        call, far = await pair.talk()
        assert b"a=recvonly" in (await far.reinvite("sendonly")).body
        await stays_silent(stage, far, call, 520)
        assert b"a=inactive" in (await far.reinvite("inactive")).body
        call.rtp.received.clear()
        far.rtp.received.clear()
        assert b"a=sendrecv" in (await far.reinvite("sendrecv")).body
        await together(heard_afresh(call, 520), heard_afresh(far, 440))
        await far.hang_up()
        await stage.ended(pair, "agent", "normal")


async def the_desk_moves(stage: Stage) -> None:
    """A re-INVITE with another port, as when a phone changes network: audio follows at once."""
    async with stage.pair() as pair:
        call, far = await pair.talk()
        before, far.rtp = far.rtp, await RtpPort.open()
        before.close()
        assert (await far.reinvite()).status == 200
        far.rtp.play(660)
        await together(heard_afresh(far, 440), heard_afresh(call, 660))
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


@on_both
async def test_either_side_may_hold_and_move(stage: Stage) -> None:
    """re-INVITE: sendonly silences one direction, sendrecv brings it back, a new port is followed."""
    await together(the_caller_holds(stage), the_desk_holds(stage), the_desk_moves(stage))
    await stage.switch.nothing_left()


# --- offers and codecs ---


async def the_caller_offers_nothing(stage: Stage, *, through_the_flow: bool) -> None:
    """The switch offers in its 200, the caller answers in its ACK."""
    async with stage.pair() as pair:
        shows = Dialled(offer=False)
        if through_the_flow:
            call, far = await pair.reach(shows)
        else:
            call = await pair.caller.dial(pair.direct, shows)
            far = await pair.desk.next_call()
            await call.answered()
        await far.confirmed()
        await hear_each_other(call, far)
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


async def laws_are_translated(stage: Stage, caller: str, desk: str) -> None:
    """Each side speaks its only codec and hears the other's tone in it."""
    types = {"PCMA": 8, "PCMU": 0}
    async with stage.pair() as pair:
        pair.desk.codecs = (desk, "telephone-event")
        call = await pair.caller.dial(pair.direct, Dialled(codecs=(caller, "telephone-event")))
        far = await pair.desk.next_call()
        await call.answered()
        await hear_each_other(call, far)
        await call.rtp.key("1*")
        await call.hang_up()
        await far.ended()
        assert keys_heard(far) == "1*"
        assert {packet.payload_type for packet in call.rtp.received} == {types[caller]}
        assert {packet.payload_type for packet in far.rtp.received} == {types[desk], 101}
        record = await stage.ended(pair, "caller", "normal")
        assert [leg["codec"] for leg in record["legs"]] == [caller, desk]


async def no_codec_is_shared(stage: Stage) -> None:
    """The desk speaks telephone-event only: 488 of its own, or an answer that cannot be used."""
    async with stage.pair() as pair:
        pair.desk.codecs = ("telephone-event",)
        call = await pair.caller.dial(pair.direct)
        assert await call.decided() == 488
        await stage.ended(pair, "switch", "not_acceptable")


@on_both
async def test_offers_and_codecs_of_all_kinds_meet(stage: Stage) -> None:
    """Offers that come late, A-law against mu-law, and codecs that do not meet at all."""
    await together(
        the_caller_offers_nothing(stage, through_the_flow=False),
        the_caller_offers_nothing(stage, through_the_flow=True),
        laws_are_translated(stage, "PCMU", "PCMA"),
        laws_are_translated(stage, "PCMA", "PCMU"),
        no_codec_is_shared(stage),
    )
    await stage.switch.nothing_left()


# --- before the answer, and instead of one ---


async def early_media_of_the_desk(stage: Stage) -> None:
    """183 with SDP: the caller hears the far side's own ringing tone, and is answered later."""
    async with stage.pair(Never(ring=False)) as pair:
        call = await pair.caller.dial(pair.direct)
        far = await pair.desk.next_call()
        far.ring(early=True)
        far.rtp.play(500)
        await call.hears(500)
        assert call.status == 0
        far.accept()
        await call.answered()
        await hear_each_other(call, far)
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


async def early_media_and_cancel(stage: Stage) -> None:
    """The caller hears the tone and gives up."""
    async with stage.pair(Never(ring=False)) as pair:
        call = await pair.caller.dial(pair.direct)
        far = await pair.desk.next_call()
        far.ring(early=True)
        far.rtp.play(500)
        await call.hears(500)
        assert await call.cancel() == 487
        await far.ended()
        await stage.ended(pair, "caller", "cancelled")


async def a_greeting_before_the_answer(stage: Stage) -> None:
    """A flow that speaks in early media: the caller is answered when the desk is."""
    async with stage.pair(Answer(after=0.1)) as pair:
        call = await pair.caller.dial(f"{GREETING};ext={pair.extension}")
        await call.hears(PROMPT)
        assert call.status == 0
        far = await pair.desk.next_call()
        await call.answered()
        await hear_each_other(call, far)
        await far.hang_up()
        await call.ended()
        await stage.ended(pair, "agent", "normal")


async def music(stage: Stage) -> None:
    """A steady stream without a gap, for as long as the caller listens."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(MUSIC)
        await call.answered()
        await hear_something(call, 1.5)
        await call.hang_up()
        stats = call.rtp.stats()
        assert (stats.lost, stats.duplicates, stats.streams) == (0, 0, 1)
        assert stats.first_at is not None
        assert stats.last_at is not None
        expected = 1 + (stats.last_at - stats.first_at) * 50
        assert stats.received >= expected - 4
        if stage.plane.counts_all:
            assert stats.received <= expected + 4, "no burst, as rtpengine begins with"
        await stage.ended(pair, "caller", "normal", legs=1)


@on_both
async def test_early_media_greetings_and_music(stage: Stage) -> None:
    """What is heard without an answer, or of nobody but the switch."""
    await together(
        early_media_of_the_desk(stage),
        early_media_and_cancel(stage),
        a_greeting_before_the_answer(stage),
        music(stage),
    )
    await stage.switch.nothing_left()


# --- keys between the two, and phones that call ---


async def keys_pass_while_talking(stage: Stage) -> None:
    """Telephone events are relayed both ways; those of INFO come out as telephone events."""
    async with stage.pair() as pair:
        call, far = await pair.talk()
        await together(keyed(call, "12#"), keyed(far, "9*"))
        assert (await call.info("7")).status == 200
        async with asyncio.timeout(5 * PATIENCE):
            while keys_heard(far) != "12#7" or keys_heard(call) != "9*":
                await asyncio.sleep(0.02)
        await together(heard_afresh(call, 880), heard_afresh(far, 440))
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


async def keys_in_two_forms_pass_once(stage: Stage) -> None:
    """A phone tells each key by events and then by INFO."""
    async with stage.pair() as pair:
        call, far = await pair.talk()
        for digit in "567":
            await call.rtp.key(digit)
            assert (await call.info(digit)).status == 200
            await asyncio.sleep(0.6)  # any copy would be among what is said now
        async with asyncio.timeout(5 * PATIENCE):
            while not keys_heard(far).endswith("7"):
                await asyncio.sleep(0.02)
        assert keys_heard(far) == "567"
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


async def keys_right_after_the_answer_pass(stage: Stage) -> None:
    """Keys were the switch's until then; none of the extension is heard, and all that are pressed now, in order."""
    async with stage.pair() as pair:
        call, far = await pair.reach()
        call.rtp.play(440)
        await far.confirmed()
        await call.rtp.key("567")
        async with asyncio.timeout(5 * PATIENCE):
            while len(keys_heard(far)) < 3:
                await asyncio.sleep(0.02)
        assert keys_heard(far) == "567"
        await heard_afresh(far, 440)
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


async def keyed(call: Call, digits: str) -> None:
    """Key digits."""
    await call.rtp.key(digits)


async def a_registered_phone_dials(stage: Stage, algorithm: str) -> None:
    """It is challenged (407) and proves itself, then reaches another desk."""
    async with stage.pair(algorithm=algorithm) as pair, stage.pair() as other:
        call = await pair.desk.dial(other.direct)
        far = await other.desk.next_call()
        await call.answered()
        await hear_each_other(call, far)
        await call.hang_up()
        await far.ended()
        assert len(pair.desk.received("SIP/2.0 407")) == 1
        assert secret(pair.extension).encode() not in b"".join(record.data for record in pair.desk.log)


async def a_phone_with_a_wrong_password(stage: Stage) -> None:
    """Neither its REGISTER nor its INVITE is taken."""
    async with stage.pair() as pair:
        impostor = await Phone.open(
            pair.extension, target=stage.switch.target, password="guessed", domain="switchboard.local"
        )
        async with impostor:
            with pytest.raises(RefusedError, match="REGISTER was answered 401"):
                await impostor.register()
        call = await pair.caller.dial(pair.direct)
        await call.answered()
        assert len(pair.desk.received("INVITE")) == 1
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


@on_both
async def test_keys_pass_between_the_two_and_phones_may_call(stage: Stage) -> None:
    """Keys while talking, calls from registered phones by either digest, and none from impostors."""
    await together(
        keys_pass_while_talking(stage),
        keys_in_two_forms_pass_once(stage),
        keys_right_after_the_answer_pass(stage),
        a_registered_phone_dials(stage, "MD5"),
        a_registered_phone_dials(stage, "SHA-256"),
        a_phone_with_a_wrong_password(stage),
    )
    await stage.switch.nothing_left()
