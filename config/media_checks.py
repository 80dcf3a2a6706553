"""What types cannot say of audio: codecs, ports, planes, browsers. Pure, as `config.checks`."""

from __future__ import annotations

from collections.abc import Iterator

from config.addresses import address, concrete, host_port
from config.findings import Finding
from config.schema import Config
from media.codecs import CODED, missing
from media.formats import ANY


def media_findings(config: Config) -> Iterator[Finding]:
    """All that does not fit in `media:` and `webrtc:`, and in the codecs of trunks."""
    yield from _media(config)
    yield from _codecs(config)
    yield from _rtpengine(config)
    yield from _webrtc(config)


def _codecs(config: Config) -> Iterator[Finding]:
    """What may be spoken must be decodable here once somebody has to hear it; so must what `any` lets through."""
    lists = [("media", config.media.codecs)]
    lists += [(f"trunks[{n}]", trunk.codecs) for n, trunk in enumerate(config.trunks) if trunk.codecs is not None]
    for where, codecs in lists:
        for codec, what in missing(tuple(sorted(CODED)) if ANY in codecs else codecs).items():
            place = codecs.index(codec) if codec in codecs else codecs.index(ANY)
            yield f"{where}.codecs[{place}]", f"{codec} cannot be decoded here", f"install {what}"


def _media(config: Config) -> Iterator[Finding]:
    media = config.media
    yield from concrete("media.address", media.address)
    if media.address6 and (":" in media.address or ":" not in media.address6):
        message = "media.address6 is the address on IPv6 beside a media.address on IPv4"
        yield "media.address6", message, "leave one of them out"
    elif media.address6:
        yield from concrete("media.address6", media.address6)
    if media.silence <= 0:
        yield "media.silence", "media.silence must be above zero", None
    if media.ports.pairs < 2 * media.workers:
        message = f"{media.ports} holds {media.ports.pairs} pairs; each worker needs two for a single call"
        yield "media.ports", message, "give a wider range"
    if media.carried and media.plane != "none":
        yield "media.carried", "media.carried is for load tests: all audio is carried", "leave it out, or plane: none"
    for index, listen in enumerate(config.sip.listen):
        if listen.port in media.ports and listen.host in (media.address, media.address6):
            message = f"port {listen.port} is also within media.ports {media.ports}"
            yield f"sip.listen[{index}].port", message, "keep them apart"
    ours = address(media.address)
    peers = [address(one.host) for one in config.sip.listen]
    if ours is not None and ours.is_loopback and any(peer and not peer.is_loopback for peer in peers):
        message = f"media.address {media.address} cannot be reached by the peers of sip.listen"
        yield "media.address", message, "give the address that peers reach"


def _rtpengine(config: Config) -> Iterator[Finding]:
    """What is asked of rtpengine must be what we ask it for."""
    media = config.media
    if media.plane != "rtpengine":
        return
    for name in ("address", "keys"):
        place = host_port(getattr(media.rtpengine, name))
        if place is None or address(place[0]) is None:
            yield f"media.rtpengine.{name}", f"media.rtpengine.{name} is not an IP address and a port", None
    for name in ("timeout", "ping"):
        if getattr(media.rtpengine, name) <= 0:
            yield f"media.rtpengine.{name}", f"media.rtpengine.{name} must be above zero", None


def _webrtc(config: Config) -> Iterator[Finding]:
    webrtc, media = config.webrtc, config.media
    for index, text in enumerate(webrtc.addresses):
        yield from concrete(f"webrtc.addresses[{index}]", text)
    if webrtc.external:
        yield from concrete("webrtc.external", webrtc.external)
    for name in ("patience", "away"):
        if getattr(webrtc, name) <= 0:
            yield f"webrtc.{name}", f"webrtc.{name} must be above zero", None
    if not webrtc.wanted(config.sip.listen):
        return
    if media.plane == "none":
        yield "webrtc.enabled", "browsers' audio is not carried with media.plane: none", "set webrtc.enabled to false"
    if webrtc.ports.first <= media.ports.last and media.ports.first <= webrtc.ports.last:
        message = f"webrtc.ports {webrtc.ports} and media.ports {media.ports} overlap"
        yield "webrtc.ports", message, "keep them apart"
    ours = address(media.address)
    reached = [address(text) for text in webrtc.addresses or (media.address,)]
    elsewhere = ours is not None and not ours.is_loopback and not webrtc.external
    if elsewhere and any(at is not None and at.is_loopback for at in reached):
        yield "webrtc.addresses", "browsers elsewhere cannot reach a loopback address", "name one they reach"
