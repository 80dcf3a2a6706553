"""Two bench phones against each other: each is the other's judge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bench.phone import Answer, Dialled, Never, OverdueError, Phone, PhoneError, Refuse, RefusedError
from bench.transactions import ServerTransaction
from bench.wire import Message, reply

Pair = tuple[Phone, Phone]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """A carrier that dials and a softphone that is dialled, with T1 = 20 ms."""
    async with (
        await Phone.open("alice", t1=0.02) as alice,
        await Phone.open("13800138000", target=alice.address, t1=0.02) as carrier,
    ):
        yield carrier, alice
        assert carrier.complaints == []
        assert alice.complaints == []


def starts(phone: Phone, direction: str) -> list[str]:
    """What went over the wire in one direction, by method or status."""
    return [
        r.message.start.split(" ")[0 if r.message.is_request else 1]
        for r in phone.log
        if r.direction == direction and r.message
    ]


async def test_a_call_with_tones_both_ways(pair: Pair) -> None:
    """Each end hears the other's tone, and the call ends when one hangs up."""
    carrier, alice = pair
    call = await carrier.dial("4008001234")
    await call.answered()
    far = await alice.next_call()
    await far.confirmed()
    call.rtp.play(440)
    far.rtp.play(880)
    await asyncio.gather(call.hears(880, seconds=0.2), far.hears(440, seconds=0.2))
    assert call.rtp.stats().lost == far.rtp.stats().lost == 0
    await far.hang_up()
    await call.ended()
    assert starts(carrier, "out") == ["INVITE", "ACK", "200"]
    assert starts(carrier, "in") == ["180", "200", "BYE"]


async def test_a_call_whose_offer_comes_with_the_answer(pair: Pair) -> None:
    """An INVITE without SDP is offered one in the 200, and answers in the ACK."""
    carrier, alice = pair
    call = await carrier.dial("4008001234", Dialled(codecs=("PCMU", "PCMA"), offer=False))
    await call.answered()
    far = await alice.next_call()
    await far.confirmed()
    call.rtp.play(440)
    far.rtp.play(880)
    await asyncio.gather(call.hears(880, seconds=0.2), far.hears(440, seconds=0.2))
    bodies = [r.message.body for r in carrier.log if r.message and r.direction == "out" and not r.repeated]
    assert bodies[0] == b""
    assert b"RTP/AVP 8\r\n" in bodies[1]


async def test_digits_are_sent_as_rfc_4733_says(pair: Pair) -> None:
    """One timestamp and one marker a digit, growing durations, the end packet three times."""
    carrier, alice = pair
    call = await carrier.dial("1")
    await call.answered()
    far = await alice.next_call()
    keyed = await call.rtp.key("4*", on=0.06, gap=0.02)
    await call.hang_up()
    assert [k.digit for k in keyed] == ["4", "*"]
    events = [p for p in far.rtp.received if p.payload_type == 101]
    bodies = " ".join(p.payload[:2].hex() for p in events)
    assert bodies == "040a 040a 048a 048a 048a 0a0a 0a0a 0a8a 0a8a 0a8a"
    assert [int.from_bytes(p.payload[2:]) for p in events] == [160, 320, 480, 480, 480] * 2
    assert [p.marker for p in events] == ([True] + [False] * 4) * 2
    assert len({p.timestamp for p in events[:5]}) == len({p.timestamp for p in events[5:]}) == 1
    assert keyed[0].first_at < keyed[0].last_at < keyed[1].first_at


async def test_packets_of_a_digit_can_be_left_out(pair: Pair) -> None:
    """A digit that lost its first packet and all its ends is two updates without a marker's duration 160."""
    carrier, alice = pair
    call = await carrier.dial("1")
    await call.answered()
    far = await alice.next_call()
    await call.rtp.key("7", on=0.08, lose_start=1, lose_end=3)
    await call.hang_up()
    assert [int.from_bytes(p.payload[2:]) for p in far.rtp.received] == [320, 480]


async def test_a_refusal_is_raised_with_its_status(pair: Pair) -> None:
    """486 comes back as `RefusedError`, and is acknowledged."""
    carrier, alice = pair
    alice.behaviour = Refuse(486)
    call = await carrier.dial("1")
    with pytest.raises(RefusedError, match="486 Busy Here"):
        await call.answered()
    await (await alice.next_call()).ended()
    assert starts(carrier, "out") == ["INVITE", "ACK"]


async def test_a_ringing_call_is_cancelled(pair: Pair) -> None:
    """CANCEL gets 200, the INVITE 487, and both ends are done."""
    carrier, alice = pair
    alice.behaviour = Never()
    call = await carrier.dial("1")
    await call.ringing()
    assert await call.cancel() == 487
    await (await alice.next_call()).ended()
    assert call.is_over


async def test_requests_are_repeated_until_answered(pair: Pair) -> None:
    """An INVITE that is ignored twice is sent a third time and then answered once."""
    carrier, alice = pair
    ignored = iter([True, True])
    alice.endpoint.drop = lambda way, message: way == "in" and message.method == "INVITE" and next(ignored, False)
    call = await carrier.dial("1")
    await call.answered()
    assert starts(carrier, "out")[:3] == ["INVITE"] * 3
    await call.hang_up()


async def test_an_answer_is_repeated_until_acknowledged(pair: Pair) -> None:
    """A 200 whose ACK is lost comes again, and is acknowledged again."""
    carrier, alice = pair
    lost = iter([True])
    alice.endpoint.drop = lambda way, message: way == "in" and message.method == "ACK" and next(lost, False)
    call = await carrier.dial("1")
    await call.answered()
    await (await alice.next_call()).confirmed()
    assert starts(carrier, "out") == ["INVITE", "ACK", "ACK"]
    await call.hang_up()


async def test_a_nervous_carrier_sends_everything_twice(pair: Pair) -> None:
    """With two copies every datagram goes out twice, and the far end has still only one call."""
    carrier, alice = pair
    carrier.endpoint.copies = 2
    call = await carrier.dial("1")
    await call.answered()
    await call.hang_up()
    sent = starts(carrier, "out")
    assert sent.count("INVITE") == sent.count("BYE") == 2
    assert len(alice.calls) == 1
    assert len(alice.received("INVITE")) == 1


async def test_silence_is_a_timeout() -> None:
    """A peer that never answers costs 64 times T1 and one clear error."""
    async with (
        await Phone.open("a", t1=0.002) as phone,
        await Phone.open("b", target=phone.address, t1=0.002) as b,
    ):
        phone.endpoint.on_request = lambda transaction: None
        with pytest.raises(OverdueError, match=r"no answer to INVITE in 0\.128 s"):
            await (await b.dial("1")).decided()
        assert starts(b, "out").count("INVITE") == 7


async def test_a_taken_port_is_said(pair: Pair) -> None:
    """Binding twice is an error that names the address."""
    port = pair[0].address[1]
    with pytest.raises(PhoneError, match=f"cannot bind 127.0.0.1:{port} for bob"):
        await Phone.open("bob", port=port)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_registering_answers_the_challenge(pair: Pair, algorithm: str) -> None:
    """The second REGISTER carries credentials of the wanted algorithm and the next CSeq."""
    carrier, alice = pair
    carrier.password, carrier.algorithm = "secret", algorithm
    seen: list[Message] = []

    def challenge(transaction: ServerTransaction) -> None:
        seen.append(transaction.request)
        answer = reply(transaction.request, 200, "OK", "t")
        if not transaction.request.get("authorization"):
            answer = reply(transaction.request, 401, "Unauthorized", "t")
            for name in ("SHA-256", "MD5"):
                answer.add("WWW-Authenticate", f'Digest realm="r", nonce="n", algorithm={name}, qop="auth"')
        alice.endpoint.respond(transaction, answer)

    alice.endpoint.on_request = challenge
    assert (await carrier.register()).status == 200
    assert [m.cseq[0] for m in seen] == [1, 2]
    assert f"algorithm={algorithm}" in seen[1].get("authorization")


async def test_what_a_caller_shows_is_on_the_wire(pair: Pair) -> None:
    """Everything in `Dialled` is sent, so that a search for leaks has something to find."""
    carrier, alice = pair
    shows = Dialled(
        headers=("P-Asserted-Identity: <sip:13812345678@x>", "Subject: 13812345678"),
        display="Wang 13812345678",
        call_id="13812345678-1",
        contact_user="13812345678",
        origin="13812345678",
        session_name="13812345678",
        from_uri="sip:13812345678@x",
    )
    call = await carrier.dial("1", shows)
    await call.answered()
    await call.hang_up()
    first = alice.received("INVITE")[0].data
    assert first.count(b"13812345678") == 8
    assert alice.received_bytes().startswith(first)


async def test_requests_inside_the_dialog(pair: Pair) -> None:
    """INFO digits arrive, hold is answered with the opposite direction, a stranger's BYE gets 481."""
    carrier, alice = pair
    alice.behaviour = Answer(early=True)
    call = await carrier.dial("1")
    await call.answered()
    far = await alice.next_call()
    assert (await call.info("5")).status == 200
    assert far.infos[0].body == b"Signal=5\r\nDuration=160\r\n"
    await call.reinvite("sendonly")
    assert call.remote_audio is not None
    assert call.remote_audio.direction == "recvonly"
    tag, far.remote_tag = far.remote_tag, "other"
    assert (await call.send("OPTIONS")).status == 481
    far.remote_tag = tag
    await call.hang_up()
