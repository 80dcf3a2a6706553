"""Legs whose peer is a browser: an endpoint of the WebRTC edge stands between it and the leg's media worker.

The edge speaks ICE and DTLS-SRTP with the browser and plain RTP with the worker, so that all else of a call knows
nothing of browsers. A leg is one when its offer says so, or when the phone it calls is on a WebSocket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from media.edge_control import Connected, Endpoint, Failed
from media.edge_plane import EdgeLost, PeerEvent
from media.formats import Codec
from media.ice_dtls import SETUP_OF, OwnTransport, PeerTransport, Role, role_of
from media.offer_answer import Agreement
from media.remote import Remote
from media.sdp import Direction, SdpError
from media.web_offer_answer import build_web_answer, build_web_offer
from switchboard.calls.causes import EDGE_LOST, WEBRTC_FAILED, WEBRTC_LOST, Cause
from switchboard.calls.playing import begin_waiting
from switchboard.sip.binding import Binding
from switchboard.sip.flow import WebAddress

if TYPE_CHECKING:
    from switchboard.calls.call import Call
    from switchboard.calls.exchange import Exchange
    from switchboard.calls.leg import Leg
    from switchboard.calls.plan import Plan

SECURED: Final = "DTLS-SRTP"
"""What the record of a leg says of a browser's audio."""
_NEVER_UP: Final = frozenset({"ice", "dtls", "fingerprint", "timeout"})


class WebMedia(msgspec.Struct, array_like=True, eq=False):
    """What stands between a browser and a worker.

    `endpoint` is the session at the edge, `own` its path; `spare` is the next one while an ICE restart is under way.
    `peer`, `role` and `worker` are what the edge was told. `offer` is what browsers are offered where `mixed`
    destinations are called, phones among them. `hears` is True once audio has passed; until then `waiting` is what is
    to be played: its id, the sounds, and whether over and over.
    """

    endpoint: Endpoint | None = None
    own: OwnTransport | None = None
    spare: Endpoint | None = None
    peer: PeerTransport | None = None
    role: Role | None = None
    worker: tuple[str, int] = ("", 0)
    offer: bytes = b""
    mixed: bool = False
    hears: bool = False
    waiting: tuple[int, tuple[str, ...], bool] | None = None

    @property
    def described(self) -> OwnTransport:
        """The path to be described."""
        own = self.own if self.spare is None else self.spare.own
        assert own is not None
        return own


def is_browser(binding: Binding) -> bool:
    """Whether a phone registered over a WebSocket, to us or to the proxy on its Path (RFC 7118 §5)."""
    return (type(binding.source) is not tuple and isinstance(binding.source, WebAddress)) or (
        bool(binding.path) and ";transport=ws" in binding.contact.lower()
    )


def media_for(plan: Plan) -> WebMedia | None:
    """What a leg to these destinations needs; None where no browser is among them."""
    found = [one.web for group in plan for one in group.destinations]
    return WebMedia(mixed=not all(found)) if any(found) else None


def lease_endpoint(x: Exchange, leg: Leg, web: WebMedia) -> bool:
    """Hold an endpoint of the edge for the leg; False when there is none and its peer can do without none."""
    if web.endpoint is None and x.edge is not None:
        web.endpoint = x.edge.lease(controlling=leg.remote is None)
        if web.endpoint is not None:
            web.own = web.endpoint.own
            x.web_legs[web.endpoint.number] = leg
        elif web.mixed:
            # Its other phones ring all the same.
            leg.web = None
            return True
    return web.endpoint is not None


def within(leg: Leg) -> str:
    """The address towards workers of the leg's endpoint, "" where it has none."""
    return leg.web.endpoint.address if leg.web is not None and leg.web.endpoint is not None else ""


def release_endpoint(x: Exchange, leg: Leg) -> None:
    """The leg is over, or its peer no browser after all."""
    web, leg.web = leg.web, None
    if web is None or x.edge is None:
        return
    for endpoint in (web.endpoint, web.spare):
        if endpoint is not None:
            x.web_legs.pop(endpoint.number, None)
            x.edge.release(endpoint)


def return_endpoint(x: Exchange, leg: Leg) -> None:
    """No port was found for the leg; its peer is a browser still, if one is found later."""
    web = leg.web
    release_endpoint(x, leg)
    if web is not None:
        web.endpoint = web.own = None
        leg.web = web


# --- descriptions ---


def read_web_offer(x: Exchange, leg: Leg, remote: Remote) -> None:
    """Take note of whether the peer is a browser; raises SdpError where it cannot be served, or has changed."""
    if leg.agreement is not None and (leg.web is None) != (remote.web is None):
        raise SdpError("a session does not change between RTP and WebRTC", status=488, warning=302)
    if remote.web is None:
        leg.web = None
        return
    if x.edge is None:
        raise SdpError("WebRTC is not served here", status=488, warning=302)
    web = leg.web
    if web is None:
        leg.web = WebMedia()
    elif web.peer is not None and web.peer.same_ice(remote.web):
        _give_spare_back(x, web)
    elif web.peer is not None and web.spare is None:
        web.spare = x.edge.lease(controlling=False)
        if web.spare is None:
            raise SdpError("no endpoint for an ICE restart", status=488)


def _give_spare_back(x: Exchange, web: WebMedia) -> None:
    if web.spare is not None and x.edge is not None:
        x.edge.release(web.spare)
        web.spare = None


def take_web_answer(leg: Leg, remote: Remote) -> None:
    """The peer has answered our offer, as a browser or not; raises SdpError where it cannot have been that offer."""
    web = leg.web
    if (web is not None) != (remote.web is not None) and not (web is not None and web.mixed and web.peer is None):
        raise SdpError(f"answer for {remote.protocol}, which was not offered", status=488, warning=302)
    if web is not None and remote.web is not None:
        if web.role is None:
            web.role = role_of(remote.web.setup, offered=False)
        leg.local_sdp = web.offer or leg.local_sdp


def placed(leg: Leg, agreement: Agreement) -> Agreement:
    """What was agreed with a browser, as the worker is to see it: its peer is the edge, with all on one port."""
    web = leg.web
    if web is None or web.endpoint is None or leg.remote is None or leg.remote.web is None:
        return agreement
    at = web.endpoint
    return msgspec.structs.replace(agreement, address=at.address, port=at.port, rtcp_port=0, rtcp_mux=True)


def describe_offer(leg: Leg, plain: bytes, *, event_pt: int, ptime: int, maxptime: int) -> bytes:
    """Our offer to a browser; of `mixed` destinations the body is the plain one, and browsers get their own."""
    web = leg.web
    assert web is not None
    previous = leg.remote_sdp if leg.remote is not None and leg.remote.web is not None else b""
    web.offer = build_web_offer(
        web.described,
        session_id=leg.sdp_id,
        version=leg.sdp_version,
        codecs=leg.offered,
        event_pt=event_pt,
        previous=previous,
        also=leg.offered_also,
        ptime=ptime,
        maxptime=maxptime,
    )
    return plain if web.mixed and web.peer is None else web.offer


def describe_answer(
    leg: Leg,
    *,
    codec: Codec,
    event_pt: int | None,
    direction: Direction,
    also: tuple[Codec, ...],
    ptime: int,
    maxptime: int,
) -> bytes:
    """Our answer to a browser."""
    web = leg.web
    assert web is not None
    assert leg.remote is not None
    assert leg.remote.web is not None
    if web.role is None:
        web.role = role_of(leg.remote.web.setup, offered=True)
    return build_web_answer(
        leg.remote_sdp,
        web.described,
        session_id=leg.sdp_id,
        version=leg.sdp_version,
        codec=codec,
        event_pt=event_pt,
        direction=direction,
        setup=SETUP_OF[web.role],
        also=also,
        ptime=ptime,
        maxptime=maxptime,
    )


# --- the edge ---


def connect(x: Exchange, leg: Leg) -> None:
    """Tell the edge who the peer is and where the worker, as far as it does not know."""
    web, remote, lease = leg.web, leg.remote, leg.lease
    if web is None or remote is None or lease is None or x.edge is None:
        return
    if remote.web is None:
        release_endpoint(x, leg)
        return
    endpoint, worker = web.endpoint, (lease.address, lease.port)
    if endpoint is None or web.role is None:
        return
    x.web_legs[endpoint.number] = leg
    if web.peer is None:
        x.edge.connect(endpoint, remote.web, web.role, worker)
    else:
        if web.spare is not None:
            x.edge.restart(endpoint, web.spare, remote.web)
            web.own, web.spare = web.spare.own, None
        if worker != web.worker:
            x.edge.aim(endpoint, worker)
    web.peer, web.worker = remote.web, worker
    leg.record.secured = SECURED


Lost = Callable[["Exchange", "Call", "Leg", Cause, float], None]


def peer_event(x: Exchange, event: PeerEvent, lost: Lost, now: float) -> None:
    """What the edge tells; `lost` is called with the call, the leg and the cause where there is no audio any more."""
    if isinstance(event, Connected):
        hearing = x.web_legs.get(event.endpoint)
        if hearing is not None:
            begin_waiting(x, hearing)
        return
    numbers = event.endpoints if isinstance(event, EdgeLost) else (event.endpoint,)
    for number in numbers:
        leg = x.web_legs.get(number)
        call = x.call_of(leg) if leg is not None else None
        if leg is None or call is None or not call.owns(leg):
            continue
        if isinstance(event, Failed):
            cause = WEBRTC_FAILED if event.fault in _NEVER_UP else WEBRTC_LOST
            x.log("call.webrtc_failed", call_id=call.id, leg=leg.id, fault=event.fault)
        else:
            cause = EDGE_LOST
        lost(x, call, leg, cause, now)
