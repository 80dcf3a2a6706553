"""Descriptions of gateways that send signals of a telephone network beside them (RFC 5621)."""

from __future__ import annotations

from tests.support.exchange import World

MIXED = "multipart/mixed;boundary=b1"


def beside(description: bytes, handling: str = "optional") -> bytes:
    """A description behind signals of ISUP."""
    signals = f"Content-Type: application/ISUP\r\nContent-Disposition: signal;handling={handling}\r\n\r\n\0".encode()
    described = b"Content-Type: application/sdp\r\n\r\n" + description
    return b"--b1\r\n" + signals + b"\r\n--b1\r\n" + described + b"\r\n--b1--\r\n"


def test_both_sides_describe_themselves_so() -> None:
    """INVITE, early media, answer, re-INVITE and UPDATE."""
    world = World()
    out, _ = world.dial("4001", body=beside(world.carrier.sdp()), content_type=MIXED)
    offer = world.agent.requests[-1][1]
    assert (offer.method, offer.content_type) == ("INVITE", "application/sdp")
    answer = beside(world.agent.answer(offer.body))
    world.reply(world.agent, 183, body=answer, content_type=MIXED)
    assert world.carrier.responses[-1].status == 183
    assert world.carrier.responses[-1].body
    world.reply(world.agent, 200, body=answer, content_type=MIXED)
    world.within(world.carrier, out, "ACK", 1)
    for number, method in ((2, "INVITE"), (3, "UPDATE")):
        world.within(world.carrier, out, method, number, body=beside(world.carrier.sdp()), content_type=MIXED)
        assert world.carrier.responses[-1].status == 200
        if method == "INVITE":
            world.within(world.carrier, out, "ACK", number)
    assert len(world.plane.bridges) == 2


def test_the_answer_in_an_ack() -> None:
    """To the offer that a 200 carried."""
    world = World()
    out, _ = world.dial("4001", body=b"")
    world.agent_answers()
    offer = next(response for response in world.carrier.responses if response.status == 200)
    world.within(world.carrier, out, "ACK", 1, body=beside(world.carrier.answer(offer.body)), content_type=MIXED)
    assert len(world.plane.bridges) == 2


def test_an_answer_without_early_media() -> None:
    """In the 200 alone."""
    world = World()
    world.dial("4001")
    body = beside(world.agent.answer(world.agent.requests[-1][1].body))
    world.reply(world.agent, 200, body=body, content_type=MIXED)
    assert world.carrier.responses[-1].status == 200
    assert len(world.plane.bridges) == 2


def test_what_has_to_be_understood_is_refused() -> None:
    """415, and what would be taken."""
    world = World()
    world.dial("4001", body=beside(world.carrier.sdp(), "required"), content_type=MIXED)
    refused = world.carrier.responses[-1]
    assert (refused.status, refused.headers.get("accept")) == (415, "application/sdp")
    assert world.exchange.calls == {}
