"""What a leg agrees on with its peer (RFC 3264) and the media session that follows from it.

Each leg negotiates for itself: nothing of one peer's description is copied into the other's.
"""

from __future__ import annotations

from typing import Final

from media.offer_answer import (
    STATIC,
    Agreement,
    Codec,
    agree_as_answerer,
    agree_as_offerer,
    answer_direction,
    build_answer,
    build_offer,
    choose,
    event_payload_type,
    read_remote,
)
from media.sdp import SdpError
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg

EVENT_PT: Final = 101


def lease_media(x: Exchange, leg: Leg, near: Leg | None = None) -> bool:
    """Hold a media port for the leg, on the worker of `near`; False when none is free."""
    if leg.lease is None:
        leg.lease = x.media.lease(near.lease if near is not None else None)
        if leg.lease is None:
            return False
        x.media_legs[leg.lease.port, leg.lease.gen] = leg
    return True


def read_offer(x: Exchange, leg: Leg, body: bytes) -> None:
    """Take the peer's offer; raises SdpError (with the status owed) when nothing in it can be used."""
    remote = read_remote(body)
    if choose(remote, x.settings.codecs) is None:
        raise SdpError("no codec of ours", status=488)
    leg.remote, leg.remote_sdp, leg.offered = remote, body, ()


def make_offer(x: Exchange, leg: Leg, near: Leg | None) -> bytes:
    """Our offer to a leg, in the payload types of `near`, so that its packets may pass untouched."""
    assert leg.lease is not None
    names: list[Codec] = []
    event_pt = EVENT_PT
    if near is not None and near.agreement is not None:
        agreed = near.agreement
        names.append(Codec(agreed.codec, agreed.send_pt))
        event_pt = agreed.receive_event_pt or EVENT_PT
    elif near is not None and near.remote is not None:
        names += [codec for codec in near.remote.audio if codec.name in x.settings.codecs]
        event_pt = near.remote.event_pt if near.remote.event_pt is not None else EVENT_PT
    have = {codec.name for codec in names}
    names += [Codec(name, pt) for name, pt in STATIC.items() if name not in have and name in x.settings.codecs]
    event_pt = event_payload_type(tuple(names), event_pt)
    leg.offered, leg.offered_event_pt = tuple(names), event_pt
    leg.sdp_version += 1
    leg.local_sdp = build_offer(
        session_id=leg.sdp_id,
        version=leg.sdp_version,
        address=leg.lease.address,
        port=leg.lease.port,
        codecs=leg.offered,
        event_pt=event_pt,
        previous=leg.remote_sdp,
    )
    return leg.local_sdp


def take_answer(leg: Leg, body: bytes) -> None:
    """Conclude our offer with the peer's answer; raises SdpError when it takes none of our codecs."""
    remote = read_remote(body)
    leg.agreement = agree_as_offerer(remote, leg.offered, leg.offered_event_pt)
    leg.remote, leg.remote_sdp = remote, body


def make_answer(x: Exchange, leg: Leg, prefer: Agreement | None = None) -> bytes:
    """Conclude the peer's offer; `prefer` is what the other leg agreed on, so that nothing is transcoded."""
    assert leg.lease is not None
    assert leg.remote is not None
    codec = choose(leg.remote, (prefer.codec,)) if prefer is not None else None
    codec = codec or choose(leg.remote, x.settings.codecs)
    assert codec is not None
    direction = answer_direction(leg.remote.direction)
    leg.agreement = agree_as_answerer(leg.remote, codec, leg.remote.event_pt, direction)
    leg.sdp_version += 1
    leg.local_sdp = build_answer(
        leg.remote_sdp,
        session_id=leg.sdp_id,
        version=leg.sdp_version,
        address=leg.lease.address,
        port=leg.lease.port,
        codec=codec,
        event_pt=leg.remote.event_pt,
        direction=direction,
        rtcp_mux=leg.agreement.rtcp_mux,
    )
    return leg.local_sdp


def renegotiate(x: Exchange, leg: Leg, offer: bytes) -> bytes:
    """Answer an offer within the dialog (re-INVITE, UPDATE) and move the media there; raises SdpError."""
    before = leg.agreement
    read_offer(x, leg, offer)
    answer = make_answer(x, leg, before)
    open_media(x, leg)
    return answer


def reoffer(x: Exchange, leg: Leg) -> bytes:
    """Our offer to a re-INVITE that brings none: what is agreed, asked for again (RFC 3261 §14.2)."""
    return make_offer(x, leg, leg)


def open_media(x: Exchange, leg: Leg) -> None:
    """Start or update the leg's media session as agreed. Only the described address may latch,
    or the one its signalling comes from where the trunk is behind a NAT.
    """
    agreed = leg.agreement
    assert agreed is not None
    assert leg.lease is not None
    x.media.open(
        leg.lease,
        remote_ip=agreed.address,
        remote_port=agreed.port,
        latch_ip=leg.source[0] if leg.nat else agreed.address,
        audio_pt=agreed.send_pt,
        codec=agreed.codec,
        event_pt=agreed.send_event_pt,
        send=agreed.send,
        receive=agreed.receive,
        digits=leg.digits,
        receive_pt=agreed.receive_pt,
        receive_event_pt=agreed.receive_event_pt,
        rtcp_port=agreed.rtcp_port,
        rtcp_mux=agreed.rtcp_mux,
    )
    leg.media_open = True
    leg.record.codec = agreed.codec


def take_keys(x: Exchange, leg: Leg) -> None:
    """A leg's keys are ours, also where a talk or early media had taken them to the other side."""
    if not leg.digits:
        leg.digits = True
        if leg.media_open:
            open_media(x, leg)


def release_media(x: Exchange, leg: Leg) -> bool:
    """Give the leg's port back; True when its counters are still to come."""
    lease = leg.lease
    if lease is None:
        return False
    x.media.release(lease)
    return True
