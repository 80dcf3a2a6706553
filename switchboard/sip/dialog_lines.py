"""Header lines by which a response makes a dialog (RFC 3261 §12.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from switchboard.sip.message import Request


def dialog_lines(request: Request, headers: tuple[str, ...], contact: str) -> tuple[str, ...]:
    """Add to the lines of a response the request's Record-Route, and a Contact if they have none."""
    if not has_contact(headers):
        headers = (f"Contact: {contact}", *headers)
    if "record-route" in request.headers.first:
        routes = request.headers.getall("record-route")
        headers = (*[f"Record-Route: {route}" for route in routes], *headers)
    return headers


def has_contact(headers: tuple[str, ...]) -> bool:
    """Whether lines of our own, whose names are written the long way, have a Contact already."""
    for line in headers:  # noqa: SIM110 - a generator costs more than the loop, and this runs for every answer
        if line.startswith("Contact:"):
            return True
    return False


def is_secure(request: Request) -> bool:
    """Whether our Contact has to be a SIPS URI, as its sender's way here is."""
    if request.uri[:5].lower() == "sips:":
        return True
    route = request.headers.first.get("record-route")
    place = f"<{request.contact_uri}" if route is None else route.partition(">")[0]
    return "<sips:" in place.lower()
