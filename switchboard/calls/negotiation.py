"""What a leg agrees on with its peer (RFC 3264) and the media session that follows from it.

Each leg negotiates for itself. The second leg of a call is offered what the first has, first and in its payload
types, so that packets may pass untouched, then what can be transcoded. Codecs that we cannot decode pass through where
the list of codecs has `any`, as long as nobody needs to hear, record or mix them here: a flow or queue that has to
answer such a caller itself refuses it with 488, and a talk that needs one of ours later gets it by a re-INVITE
(`reinvite.speak_ours`). Comfort noise (RFC 3389) is agreed on with a party only if the other one has it as well.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from media.control import Wire
from media.description import build_answer, build_offer
from media.formats import ANY, OURS, Codec, free_payload_type, is_ours, is_wanted, same_codec
from media.interface import Stream
from media.offer_answer import (
    Agreement,
    agree_as_answerer,
    agree_as_offerer,
    answer_direction,
    choose,
    choose_same,
    event_format,
    event_payload_type,
)
from media.remote import Remote, read_remote
from media.sdes import PLAIN
from media.sdp import SdpError
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.securing import answer_profile, offer_profile, secured_by_answer
from switchboard.calls.webrtc import (
    connect,
    describe_answer,
    describe_offer,
    lease_endpoint,
    placed,
    read_web_offer,
    return_endpoint,
    take_web_answer,
    within,
)

EVENT_PT: Final = 101
WIDE_EVENT_PT: Final = 110
"""For telephone-events at the clock of Opus, as 101 is for those at 8 kHz; neither number means anything."""


def lease_media(x: Exchange, leg: Leg, near: Leg | None = None) -> bool:
    """Hold a media port for the leg, on the worker of `near`, and a browser's endpoint; False when none is free.

    It is on IPv6 where the peer's description or, before there is one, its signalling is.
    """
    if leg.lease is None:
        there = leg.source[0] if leg.remote is None else leg.remote.address
        if leg.web is not None:
            if not lease_endpoint(x, leg, leg.web):
                return False
            there = within(leg) or there
        leg.lease = x.media.lease(near.lease if near is not None else None, six=":" in there)
        if leg.lease is None:
            if leg.web is not None and not leg.media_open and leg.dialog is None:
                return_endpoint(x, leg)
            return False
        x.media_legs[leg.lease.port, leg.lease.gen] = leg
        leg.crypto = ()
    return True


def codecs_of(x: Exchange, leg: Leg) -> tuple[str, ...]:
    """The names of the codecs that a leg may have: its trunk's, else those of the configuration."""
    return leg.codecs or x.settings.codecs


def read_offer(x: Exchange, leg: Leg, body: bytes) -> None:
    """Take the peer's offer; raises SdpError (with the status owed) when nothing in it can be used."""
    remote = read_remote(body, leg.srtp)
    if choose(remote, codecs_of(x, leg)) is None:
        raise SdpError("no codec of ours", status=488)
    if leg.web is not None or remote.web is not None:
        read_web_offer(x, leg, remote)
    leg.remote, leg.remote_sdp, leg.offered = remote, body, ()


def can_speak(x: Exchange, leg: Leg) -> bool:
    """Whether a party that is not answered yet can hear us, and be understood: it offers a codec that we have."""
    names = codecs_of(x, leg)
    return leg.remote is None or any(is_ours(codec, names) for codec in leg.remote.audio)


def passes_only(leg: Leg) -> bool:
    """Whether a party has a codec that we cannot decode."""
    return leg.agreement is not None and leg.agreement.codec not in OURS


def make_offer(x: Exchange, leg: Leg, near: Leg | None, *, ours: bool = False) -> bytes:
    """Our offer to a leg, in the payload types of `near`, so that its packets may pass untouched.

    With `ours`, or where the talk is recorded by rule, it holds no codec that we cannot decode.
    """
    assert leg.lease is not None
    names = codecs_of(x, leg)
    ours = ours or (ANY in names and (call := x.call_of(leg)) is not None and call.record_talk)
    theirs: tuple[Codec, ...] = ()
    event_pt, ptime, maxptime = EVENT_PT, 20, 0
    remote = near.remote if near is not None else None
    if near is not None and near.agreement is not None:
        agreed = near.agreement
        theirs = (agreed.sends,)
        event_pt = agreed.receive_event_pt if agreed.receive_event_pt and agreed.event_rate == 8000 else EVENT_PT
        if near is not leg:
            ptime, maxptime = agreed.ptime, agreed.maxptime
    elif near is not None and remote is not None:
        theirs = remote.audio
        event_pt = remote.event_pt if remote.event_pt is not None else EVENT_PT
        ptime, maxptime = remote.ptime, remote.maxptime
    wide, noise_pt = (remote.wide_events, remote.noise_pt) if remote is not None else ((), None)
    near_names = codecs_of(x, near) if near is not None else names
    codecs, event_pt, also = _offered(theirs, near_names, names, event_pt, wide, noise_pt, ours=ours)
    leg.offered, leg.offered_event_pt, leg.offered_also = codecs, event_pt, also
    leg.sdp_version += 1
    leg.local_sdp = build_offer(
        session_id=leg.sdp_id,
        version=leg.sdp_version,
        address=leg.lease.address,
        port=leg.lease.port,
        codecs=codecs,
        event_pt=event_pt,
        previous=leg.remote_sdp,
        also=also,
        ptime=ptime,
        maxptime=maxptime,
        profile=PLAIN if leg.srtp == "off" or leg.web is not None else offer_profile(x, leg),
    )
    if leg.web is not None:
        leg.local_sdp = describe_offer(leg, leg.local_sdp, event_pt=event_pt, ptime=ptime, maxptime=maxptime)
    return leg.local_sdp


# Those of a gateway have the same in all their calls.
@lru_cache(maxsize=256)
def _offered(
    theirs: tuple[Codec, ...],
    near_names: tuple[str, ...],
    names: tuple[str, ...],
    event_pt: int,
    wide: tuple[tuple[int, int], ...],
    noise_pt: int | None,
    *,
    ours: bool,
) -> tuple[tuple[Codec, ...], int, tuple[Codec, ...]]:
    """What a leg that may have `names` is offered when the other one has `theirs`: codecs, key events, other formats.

    `wide` and `noise_pt` are the numbers of the other one's events of other clocks than 8 kHz, and of its noise.
    """
    codecs = [one for one in theirs if (is_ours(one, names) if ours else is_wanted(one, names))]
    if ours or not theirs or any(is_ours(codec, near_names) for codec in theirs):
        codecs += _others(names, codecs)
    event_pt = event_payload_type(tuple(codecs), event_pt)
    return tuple(codecs), event_pt, _also(codecs, event_pt, dict(wide), noise_pt)


def _others(names: tuple[str, ...], codecs: list[Codec]) -> list[Codec]:
    """Those of `names` that we can transcode and that are not among `codecs`, under numbers that are free."""
    taken = {codec.payload_type for codec in codecs}
    others = []
    for name in names:
        own = OURS.get(name)
        if own is None or any(same_codec(own, codec) for codec in codecs):
            continue
        number = own.payload_type if own.payload_type < 96 else free_payload_type(taken, own.payload_type)
        taken.add(number)
        others.append(own if number == own.payload_type else Codec(name, number, own.rate, own.channels, own.fmtp))
    return others


def _also(codecs: list[Codec], event_pt: int, wide: dict[int, int], noise_pt: int | None) -> tuple[Codec, ...]:
    """What an offer lists beside codecs and events at 8 kHz: events of other clocks, noise if the other side has it."""
    also: tuple[Codec, ...] = ()
    for codec in codecs:
        if codec.rate != 8000 and codec.rate not in [one.rate for one in also]:
            taken = {one.payload_type for one in (*codecs, *also)} | {event_pt}
            number = free_payload_type(taken, wide.get(codec.rate, WIDE_EVENT_PT))
            also += (Codec("telephone-event", number, codec.rate),)
    return also if noise_pt is None else (*also, Codec("CN", noise_pt))


def take_answer(leg: Leg, body: bytes) -> None:
    """Conclude our offer with the peer's answer; raises SdpError when it takes none of our codecs or keys."""
    remote = read_remote(body, leg.srtp)
    agreed = agree_as_offerer(remote, leg.offered, leg.offered_event_pt, also=leg.offered_also)
    if leg.web is not None or remote.web is not None:
        take_web_answer(leg, remote)
    if leg.srtp != "off" and remote.web is None:
        agreed = secured_by_answer(leg, remote, agreed)
    leg.remote, leg.remote_sdp = remote, body
    leg.agreement = agreed if leg.web is None else placed(leg, agreed)


def make_answer(x: Exchange, leg: Leg, prefer: Agreement | None = None) -> bytes:
    """Conclude the peer's offer; `prefer` is what the other leg agreed on, so that nothing is transcoded.

    Raises SdpError where the peer has no codec that can be had with the other leg's.
    """
    assert leg.lease is not None
    assert leg.remote is not None
    codec = _answered(x, leg, leg.remote, prefer)
    event = event_format(leg.remote, codec)
    event_pt = event[0] if event is not None else None
    noise_pt = leg.remote.noise_pt if prefer is not None and prefer.send_noise_pt is not None else None
    direction = answer_direction(leg.remote.direction)
    before = leg.agreement
    leg.agreement = agree_as_answerer(leg.remote, codec, event_pt, direction, noise_pt)
    leg.sdp_version += 1
    if leg.web is not None:
        leg.agreement = placed(leg, leg.agreement)
    also: tuple[Codec, ...] = ()
    if event is not None and event[1] != 8000:
        also, event_pt = (Codec("telephone-event", *event),), None
    if noise_pt is not None:
        also = (*also, Codec("CN", noise_pt))
    codec = _described(codec, prefer)
    ptime, maxptime = (20, 0) if prefer is None else (prefer.ptime, prefer.maxptime)
    if leg.web is not None:
        leg.local_sdp = describe_answer(
            leg, codec=codec, event_pt=event_pt, direction=direction, also=also, ptime=ptime, maxptime=maxptime
        )
        return leg.local_sdp
    leg.local_sdp = build_answer(
        leg.remote_sdp,
        session_id=leg.sdp_id,
        version=leg.sdp_version,
        address=leg.lease.address,
        port=leg.lease.port,
        codec=codec,
        event_pt=event_pt,
        direction=direction,
        rtcp_mux=leg.agreement.rtcp_mux,
        also=also,
        ptime=ptime,
        maxptime=maxptime,
        profile=PLAIN if leg.srtp == "off" else answer_profile(x, leg, before),
    )
    return leg.local_sdp


def _answered(x: Exchange, leg: Leg, remote: Remote, prefer: Agreement | None) -> Codec:
    """The codec to answer: that of the other leg, else the peer's first one that we can decode."""
    names = codecs_of(x, leg)
    codec = choose_same(remote, prefer.sends) if prefer is not None else None
    if codec is None or not is_wanted(codec, names):
        decodable = tuple([name for name in names if name in OURS])
        codec = choose(remote, decodable) if prefer is None or prefer.codec in OURS else None
    if codec is None:
        raise SdpError("no codec of ours", status=488)
    return codec


def _described(codec: Codec, prefer: Agreement | None) -> Codec:
    """A codec as we answer it: with the parameters of who will receive it, which are the other leg's or ours."""
    if prefer is not None and same_codec(codec, prefer.sends):
        fmtp = prefer.fmtp
    else:
        fmtp = OURS[codec.name].fmtp
    if codec.fmtp == fmtp:
        return codec
    return Codec(codec.name, codec.payload_type, codec.rate, codec.channels, fmtp)


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
    the one its signalling comes from where the trunk is behind a NAT, or that of `audio_from`; a browser is what ICE
    has found.
    """
    agreed = leg.agreement
    assert agreed is not None
    assert leg.lease is not None
    if leg.web is not None:
        connect(x, leg)
    stream = Stream(
        remote_ip=agreed.address,
        remote_port=agreed.port,
        latch_ip=_comes_from(leg, agreed),
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
        wire=wire_of(leg, agreed),
        secured=agreed.secured,
        follows=not leg.audio_from,
    )
    x.media.open(leg.lease, stream)
    leg.media_open = True
    leg.record.codec = agreed.codec
    if agreed.secured is not None:
        leg.record.secured = agreed.secured.suite


def _comes_from(leg: Leg, agreed: Agreement) -> str:
    """The address from which its audio may come."""
    if leg.nat and leg.web is None:
        return leg.source[0]
    return agreed.address if leg.audio_from in ("", "sdp") else leg.audio_from


def wire_of(leg: Leg, agreed: Agreement) -> Wire | None:
    """How the leg's stream differs from a usual one; None where it does not."""
    if (
        agreed.ptime == 20
        and agreed.maxptime == 0
        and agreed.rate == agreed.event_rate == 8000
        and agreed.send_noise_pt is None
        and leg.keys == "auto"
    ):
        return None
    return Wire(
        agreed.rate,
        agreed.fmtp,
        agreed.ptime,
        agreed.maxptime,
        agreed.event_rate,
        agreed.send_noise_pt,
        agreed.receive_noise_pt,
        leg.keys,
    )


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
