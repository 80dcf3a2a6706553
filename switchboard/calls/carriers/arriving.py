"""INVITEs from carriers: which trunk they belong to, and how they are read by its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing.trunks.header_rules import apply_rules
from routing.trunks.rewriting import rewrite
from switchboard.calls.carriers.description import Trunk
from switchboard.sip.errors import SipError

if TYPE_CHECKING:
    from switchboard.sip.message import Request


def edit_headers(trunk: Trunk, request: Request) -> None:
    """What the carrier's rules leave of an INVITE's header lines; they are read from here on."""
    if trunk.incoming:
        request.headers = request.headers.edited(lambda lines: apply_rules(trunk.incoming, lines, {}))


def rewrite_dialled(trunk: Trunk, dialled: str, to_user: str) -> str:
    """What was dialled, by the rules of the carrier; a call to our contact there was dialled as To says."""
    registering = trunk.registering
    if registering is not None and dialled == registering.contact and to_user:
        dialled = to_user
    return rewrite(trunk.numbers.dialled, dialled) if trunk.numbers.dialled else dialled


def contact_user(request: Request) -> str:
    """The user part of the Request-URI; empty when it has none."""
    try:
        return request.user
    except SipError:
        return ""
