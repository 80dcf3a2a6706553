"""A description in a line a stream: ``audio 192.0.2.1:40000 PCMA PCMU telephone-event sendonly`` (RFC 8866)."""

from __future__ import annotations

from typing import Final

_DIRECTIONS: Final = frozenset(("sendrecv", "sendonly", "recvonly", "inactive"))
_STATIC: Final = {"0": "PCMU", "3": "GSM", "4": "G723", "8": "PCMA", "9": "G722", "13": "CN", "18": "G729"}
"""RFC 3551 §6, those that phones offer without an rtpmap."""
MOST_STREAMS: Final = 8
MOST_CODECS: Final = 24


def summary(body: bytes) -> tuple[str, ...]:
    """One line for each stream; what cannot be read is left out."""
    session = {"address": "", "direction": ""}
    streams: list[tuple[list[str], dict[str, str], dict[str, str]]] = []
    for line in body.decode("utf-8", "replace").splitlines():
        kind, _, value = line.partition("=")
        if kind == "m":
            if len(streams) == MOST_STREAMS:
                break
            streams.append((value.split(), dict(session), {}))
        place = streams[-1][1] if streams else session
        if kind == "c":
            place["address"] = value.split()[-1] if value.split() else ""
        elif kind == "a" and value in _DIRECTIONS:
            place["direction"] = value
        elif kind == "a" and value.startswith("rtpmap:") and streams:
            number, _, codec = value[len("rtpmap:") :].partition(" ")
            streams[-1][2][number] = codec.partition("/")[0]
    return tuple(_line(*stream) for stream in streams if len(stream[0]) >= 3)


def _line(media: list[str], about: dict[str, str], names: dict[str, str]) -> str:
    kind, port, profile, *formats = media
    codecs = [names.get(one) or _STATIC.get(one, one) for one in formats[:MOST_CODECS]]
    secure = ["SRTP"] if "SAVP" in profile else []
    host = f"[{about['address']}]" if ":" in about["address"] else about["address"]
    return " ".join([kind, f"{host}:{port}", *secure, *codecs, about["direction"] or "sendrecv"])
