"""A leg: one SIP dialog, what it negotiated and the media port it holds. Plain, serialisable data.

Which state may follow which is the table `TRANSITIONS`. A pair that is not in it is ignored on purpose:
a peer's late or repeated message never changes a leg.
"""

from __future__ import annotations

import enum
from typing import Final, Literal

import msgspec

from media.control import KeyForm
from media.formats import Codec
from media.offer_answer import Agreement
from media.plane import Lease
from media.remote import Remote
from media.sdes import Crypto, Policy
from switchboard.calls.reliable import Early, Reliable
from switchboard.calls.session_timers import Session
from switchboard.calls.webrtc import WebMedia
from switchboard.sip.dialog import Dialog
from switchboard.store.records import LegRecord


class LegState(enum.IntEnum):
    """Where a leg stands; the same states serve both roles of RFC 3261 §12."""

    INVITED = 1
    EARLY = 2
    ANSWERED = 3
    CONFIRMED = 4
    CANCELLING = 5
    ENDED = 6


class LegInput(enum.IntEnum):
    """What moves a leg."""

    PROVISIONAL = 1
    ANSWER = 2
    ACK = 3
    CANCEL = 4
    END = 5


TRANSITIONS: Final[dict[tuple[LegState, LegInput], LegState]] = {
    (LegState.INVITED, LegInput.PROVISIONAL): LegState.EARLY,
    (LegState.INVITED, LegInput.ANSWER): LegState.ANSWERED,
    (LegState.INVITED, LegInput.CANCEL): LegState.CANCELLING,
    (LegState.INVITED, LegInput.END): LegState.ENDED,
    (LegState.EARLY, LegInput.PROVISIONAL): LegState.EARLY,
    (LegState.EARLY, LegInput.ANSWER): LegState.ANSWERED,
    (LegState.EARLY, LegInput.CANCEL): LegState.CANCELLING,
    (LegState.EARLY, LegInput.END): LegState.ENDED,
    (LegState.ANSWERED, LegInput.ACK): LegState.CONFIRMED,
    (LegState.ANSWERED, LegInput.END): LegState.ENDED,
    (LegState.CONFIRMED, LegInput.END): LegState.ENDED,
    (LegState.CANCELLING, LegInput.END): LegState.ENDED,
}
_TALKING: Final = frozenset({LegState.ANSWERED, LegState.CONFIRMED})


Purpose = Literal["connect", "offer", "transfer", "consult", "invite", "supervise", "originate", "callback"]
"""Why we call somebody: the called party, an agent for one who waits, the target of a transfer, a party consulted,
one more for a conference, a supervisor who listens, the first party of a call that we begin,
one who is called back and the agent for it."""


Form = Literal["media", "info"]


class KeysHeard:
    """The latest keys of a party that have come in one form: which, how and when; whether its keys come in two.

    They may be of a secret, so they are never written down.
    """

    __slots__ = ("both", "single")

    def __init__(self) -> None:
        self.single: list[tuple[str, Form, float]] = []
        self.both = False


class Leg(msgspec.Struct, kw_only=True, array_like=True):
    """One side of a call.

    `dialog` is None until a tag of the peer is known; `lease` is None until media is needed. `source` is
    the address the peer's signalling comes from. `remote` is the peer's latest description,
    `remote_sdp` its bytes; `offered` are the codecs of our own offer, empty when the peer made it, `offered_also` its
    other formats; `codecs` names those the leg may have where they are not the configuration's, `keys` tells how keys
    go to its peer, `keys_heard` those that came; those that began before `keys_until` are the
    switch's, whoever is there by now;
    `unheard` is set while no audio comes from it though some should, "alive" if RTCP does;
    `srtp` says whether its media is secured, `crypto` are the lines of keys that our last description showed;
    `offer_pending` is True while the answer to it is still to come in an ACK.
    `digits` is True while keys are for us rather than for the other side. `agent_id` is the agent whose phone
    it is, "" for anybody else; `ring_due` ends the attempt to reach a leg that is one of a call's `others`. `group` is
    the group whose caller the agent took. `holding` is True while this party has put the others on hold by a command
    (by its phone: `remote.held`), `muted` while nobody is to hear it; `mode` is how a supervisor takes part.
    `asked` is True while a re-INVITE of ours is under way, `asks_again` while one waits that met theirs; `engaged`
    while the desk knows the agent to be in this call.
    At `session_due` the session is refreshed, or over; `session` is None while the peer knows no session timers, which
    says nothing of `session_due`. `updates` is True when the peer takes UPDATE. `reliable` tells of the
    provisional responses that we send and that must arrive, `early` are the dialogs that those we get have begun, by
    the tag of their sender; `heard` is the tag of the one whose provisional response `agreement` goes by.
    `web` is what stands between a browser and its media port, None for any other phone.
    `audio_from` is where its audio comes from when that is not where it is heard: an address, `sdp` for that of its
    description, "" else. `gateway` is the one whose channel the leg takes, "" for none. `account` is who has proved to
    be its caller.
    """

    id: str
    call_id: str
    role: Literal["caller", "agent"]
    state: LegState = LegState.INVITED
    dialog: Dialog | None = None
    local_tag: str
    lease: Lease | None = None
    source: tuple[str, int]
    nat: bool = False
    remote: Remote | None = None
    remote_sdp: bytes = b""
    offered: tuple[Codec, ...] = ()
    offered_event_pt: int | None = None
    offered_also: tuple[Codec, ...] = ()
    offer_pending: bool = False
    agreement: Agreement | None = None
    media_open: bool = False
    digits: bool = False
    sdp_id: int
    sdp_version: int = 0
    local_sdp: bytes = b""
    record: LegRecord
    purpose: Purpose = "connect"
    agent_id: str = ""
    ring_due: float | None = None
    group: str = ""
    holding: bool = False
    muted: bool = False
    mode: Literal["", "listen", "whisper", "barge"] = ""
    asked: bool = False
    asks_again: bool = False
    engaged: bool = False
    session: Session | None = None
    session_due: float | None = None
    updates: bool = False
    reliable: Reliable | None = None
    early: dict[str, Early] = {}
    web: WebMedia | None = None
    gateway: str = ""
    account: str = ""
    codecs: tuple[str, ...] = ()
    keys: KeyForm = "auto"
    srtp: Policy = "off"
    crypto: tuple[Crypto, ...] = ()
    unheard: Literal["", "alive", "dead"] = ""
    keys_heard: KeysHeard | None = None
    keys_until: float = 0.0
    heard: str = ""
    audio_from: str = ""

    def move(self, moved_by: LegInput) -> bool:
        """Take the transition for `moved_by`; False and no change when the table has none."""
        following = TRANSITIONS.get((self.state, moved_by))
        if following is None:
            return False
        self.state = following
        return True

    @property
    def talking(self) -> bool:
        """Whether a 2xx was exchanged and no BYE yet."""
        return self.state in _TALKING

    @property
    def holds(self) -> bool:
        """Whether this party has put the others on hold, by a command or by its phone (RFC 3264 §8.4)."""
        return self.holding or (self.remote is not None and self.remote.held)
