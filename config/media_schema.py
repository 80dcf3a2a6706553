"""The sections `media:` and `webrtc:`: who carries audio, where, and in which form."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from config.section import Name, Section
from config.sip_schema import Listen
from config.values import Duration, PortRange

CodecName = Literal["PCMA", "PCMU", "G722", "opus", "any"]
Codecs = Annotated[tuple[CodecName, ...], Meta(min_length=1)]
Srtp = Literal["off", "optional", "required"]


class Rtpengine(Section, frozen=True):
    """rtpengine as the plane of audio, where ``media.plane`` says so. It is started by others, with these options among
    its own: ``--dtmf-log-dest`` as ``keys``, ``--port-min`` and ``--port-max`` beside ``media.ports`` and
    ``webrtc.ports``, ``--interface`` with an address of each family that calls are of,
    ``--endpoint-learning=heuristic``, a ``--timeout`` of ten minutes, as a call may ring or wait for so long before
    anybody speaks, and a ``--log-level`` below 7, at which it writes down what is said to it;
    ``config/rtpengine.conf`` has them."""

    address: str = "127.0.0.1:2223"
    """Its control port, ``--listen-ng``."""
    keys: str = "127.0.0.1:2224"
    """Where it sends the keys that callers press; received here."""
    timeout: Duration = Duration(2.0)
    """A command that is unanswered for so long has failed, and its call with it; it is sent again until then."""
    ping: Duration = Duration(1.0)
    """How often it is asked whether it is there; while it is not, new calls get 503."""
    spare: Annotated[int, Meta(ge=2, le=5000)] = 64
    """Calls kept open for those that come, with four ports each; so many can come before it answers."""
    name: Name = "switchboard"
    """Begins the names of our calls there, and must be another for each switch that shares it."""
    sounds: str = ""
    """The directory for what it plays, which it must see by the same name; left out: ``rtpengine`` below
    ``store.directory``."""


class Media(Section, frozen=True):
    """Audio: worker processes, RTP ports, prompts."""

    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Processes that carry audio; ``switchboard workers add`` starts more."""
    ports: PortRange = PortRange(10000, 29999)
    """UDP ports of RTP and RTCP, in pairs, shared by all workers; a leg has one pair."""
    address: str = ""
    """Local address of RTP; the loader fills in that of the first sip.listen when it is left out."""
    address6: str = ""
    """That of RTP with peers on IPv6 where ``address`` is on IPv4; that of sip.listen on IPv6 when it is left out. Both
    families share ``ports``."""
    silence: Duration = Duration(60.0)
    """A stream without a packet for this long is reported."""
    prompts: tuple[str, ...] = ()
    """Directories searched for prompts before the packaged ones."""
    codecs: Codecs = ("PCMA", "PCMU")
    """What legs may speak, the most wanted first. Legs that share none are transcoded between those named, which costs
    CPU; ``opus`` needs libopus. ``any``: other codecs pass through where both sides share one."""
    srtp: Srtp = "off"
    """Whether media is secured by SRTP (RFC 4568), for trunks and accounts that do not say it themselves. ``required``:
    nothing else is offered or taken, others get 488. ``optional``: either is taken, and keys are offered to those who
    know them (RFC 8643). ``off``: who offers SRTP alone gets 488. The keys travel in SIP, which should go by TLS."""
    plane: Literal["workers", "rtpengine", "none"] = "workers"
    """Who carries audio. ``rtpengine``: it relays, plays and takes keys; legs that are recorded, mixed, secured by
    SRTP, bridged after a transfer or with one on the other family, or that need tones are led on to our workers by it.
    ``none`` is for load tests only: calls are made as ever, but nobody hears anything."""
    carried: Annotated[int, Meta(ge=0)] = 0
    """With ``plane: none``, so many legs at a time are carried all the same, those that come first."""
    rtpengine: Rtpengine = Rtpengine()


class WebRtc(Section, frozen=True):
    """Audio of browsers: a process of its own with ICE and DTLS-SRTP stands between them and the media workers."""

    enabled: bool | None = None
    """Left out: where sip.listen has ws or wss. Phones on WebSockets are offered WebRTC then, and only then."""
    addresses: tuple[str, ...] = ()
    """Local addresses that browsers reach; media.address when left out."""
    external: str = ""
    """How the first of them is seen from beyond a NAT that forwards the ports as they are."""
    ports: PortRange = PortRange(30000, 31999)
    """UDP ports for browsers, one for each at each address, beside some kept ready."""
    sessions: Annotated[int, Meta(ge=1, le=20_000)] = 500
    """Browsers in calls at once; more are refused as when no port is left."""
    patience: Duration = Duration(10.0)
    """How long finding a way to a browser and shaking hands with it may take; then its leg has failed."""
    away: Duration = Duration(15.0)
    """A browser in a call whose WebSocket has ended comes back by another one within this, or its leg has ended."""

    def wanted(self, listen: tuple[Listen, ...]) -> bool:
        """Whether browsers are served."""
        return any(one.transport in ("ws", "wss") for one in listen) if self.enabled is None else self.enabled
