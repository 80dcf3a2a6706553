"""The messages of one call in order: which way each went, when, whether it was a repetition, and what it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from switchboard.net.message_ring import Kept
from switchboard.sip.errors import ParseError
from switchboard.sip.message import Request, Response, parse_datagram
from switchboard.trace.sdp_summary import summary

MOST_STEPS: Final = 5000
PIECE: Final = 500
"""Messages looked at between two rests."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `at` is monotonic seconds, `leg` the place of its dialog among those of the call.

    `again` tells a retransmission: the same octets went the same way before. `status` is 0 for a request; `text` is
    the method, or the status with its phrase. Nothing here is masked.
    """

    at: float
    outgoing: bool
    peer: tuple[str, int]
    transport: str
    leg: int
    method: str
    status: int
    text: str
    cseq: int
    again: bool
    sdp: tuple[str, ...]
    wire: bytes


def climb(batches: Sequence[Kept], call_ids: Sequence[str], rest: Callable[[], None] = lambda: None) -> list[Step]:
    """The ladder of the dialogs with these Call-IDs; `rest` is called now and then, for a thread beside the loop."""
    wanted = [(leg, text.encode("utf-8", "surrogateescape")) for leg, text in enumerate(call_ids)]
    seen: set[tuple[bool, tuple[str, int], bytes]] = set()
    steps: list[Step] = []
    looked = 0
    for batch in batches:
        for wire, address in batch.messages:
            looked += 1
            if looked % PIECE == 0:
                rest()
            leg = _leg(wire, wanted)
            if leg is None:
                continue
            peer = (address[0], address[1])
            key = (batch.outgoing, peer, wire)
            steps.append(
                _step(batch, wire, peer, leg, again=key in seen, transport=getattr(address, "transport", "") or "UDP")
            )
            seen.add(key)
            if len(steps) == MOST_STEPS:
                return steps
    return steps


def _leg(wire: bytes, wanted: Iterable[tuple[int, bytes]]) -> int | None:
    for leg, call_id in wanted:
        if call_id in wire and _names(wire, call_id):
            return leg
    return None


def _names(wire: bytes, call_id: bytes) -> bool:
    """Whether it is the Call-ID, and does not only stand in it somewhere, as in Replaces."""
    message = _parsed(wire)
    return message is not None and message.call_id.encode("utf-8", "surrogateescape") == call_id


def _parsed(wire: bytes) -> Request | Response | None:
    """The message, as far as it could be read."""
    try:
        return parse_datagram(wire)
    except ParseError as error:
        return error.partial


def _step(batch: Kept, wire: bytes, peer: tuple[str, int], leg: int, *, again: bool, transport: str) -> Step:
    message = _parsed(wire)
    if isinstance(message, Response):
        status, text = message.status, f"{message.status} {message.reason}".strip()
    else:
        status, text = 0, "" if message is None else message.method
    body = b"" if message is None else message.body
    return Step(
        at=batch.at,
        outgoing=batch.outgoing,
        peer=peer,
        transport=transport,
        leg=leg,
        method="" if message is None else message.cseq_method or text,
        status=status,
        text=text,
        cseq=-1 if message is None else message.cseq,
        again=again,
        sdp=summary(body) if body.startswith(b"v=0") else (),
        wire=wire,
    )
