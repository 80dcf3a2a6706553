"""Whether a phone is reached over the flow by which it registers (RFC 5626 §6)."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from switchboard.sip.address import parse_name_addr
from switchboard.sip.errors import ParseError
from switchboard.sip.message import Request
from switchboard.sip.uri import parse_uri


class FlowUse(enum.Enum):
    """What becomes of the flow that a REGISTER came by.

    USED: the phone is reached over it and nothing else; NONE: its number is passed over; LACKING: there is a proxy in
    between that does not keep flows, and 439 is owed.
    """

    USED = "used"
    NONE = "none"
    LACKING = "lacking"


def flow_use(request: Request, path: Sequence[str], *, answered: bool) -> FlowUse:
    """Tell it of a REGISTER with a reg-id; `answered` is whether keep-alives are, on the transport it came by."""
    if "outbound" not in [tag.lower() for tag in request.headers.values("supported")]:
        return FlowUse.NONE
    if "path" not in request.headers.first and not _has_hops(request):
        return FlowUse.USED if answered else FlowUse.NONE
    # The proxy answers the keep-alives, if it is one that keeps flows.
    return FlowUse.USED if path and _keeps_flows(path[0]) else FlowUse.LACKING


def _has_hops(request: Request) -> bool:
    return request.headers.repeated("via") or len(request.headers.values("via")) > 1


def _keeps_flows(value: str) -> bool:
    try:
        return "ob" in parse_uri(parse_name_addr(value, "Path").uri).params
    except ParseError:
        return False
