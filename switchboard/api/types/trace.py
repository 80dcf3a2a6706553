"""The ladder of a call: its SIP messages."""

# ruff: noqa: RUF012 - msgspec makes a new value of an empty default each time
from __future__ import annotations

from typing import Literal

from switchboard.api.types.common import Moment, View


class MessageStep(View, frozen=True, kw_only=True):
    """One SIP message. `ms` counts from the first one, `leg` from 0, the caller's; `again` is a retransmission.

    `status` is 0 for a request; `text` is the method, or the status with its phrase. `sdp` has a line for each stream
    that is described, `wire` the whole message in base64 when it was asked for.
    """

    ms: float
    direction: Literal["in", "out"]
    peer: str
    transport: str
    leg: int
    method: str
    status: int
    text: str
    cseq: int
    again: bool
    sdp: list[str] = []
    wire: str = ""


class TraceView(View, frozen=True, kw_only=True):
    """The messages of a call that are still kept, in order; `switch` is our own address, `began` when the first came.

    `revealed` is False while numbers, passwords, keys and bodies other than SDP are masked.
    """

    call: str
    switch: str
    began: Moment
    revealed: bool
    messages: list[MessageStep]
