"""REFER: what a peer asks us to call (RFC 3515), in place of which dialog (RFC 3891), in whose name (RFC 3892)."""

from __future__ import annotations

from typing import Final

import msgspec

from switchboard.sip.address import NameAddr, parse_name_addr
from switchboard.sip.errors import ParseError
from switchboard.sip.headers import MAX_PARAMETERS, split_commas
from switchboard.sip.message import Request
from switchboard.sip.replaces import Replaces, parse_replaces
from switchboard.sip.uri import Uri, parse_uri, unescape

NO_SUBSCRIPTION: Final = "Refer-Sub: false"
"""Asked for, and confirmed in the 2xx: the referrer wants to hear nothing more (RFC 4488 §4)."""


class ReferTo(msgspec.Struct, frozen=True):
    """Where a REFER points: `uri` without the parts that stand for a method and headers of their own."""

    uri: Uri
    method: str = "INVITE"
    replaces: Replaces | None = None


def parse_refer_to(value: str) -> ReferTo:
    """Parse one Refer-To value; raises ParseError with status 400 (RFC 3515 §2.1).

    Of the headers a URI may bring along only Replaces is read: the others are not the referrer's to choose
    (RFC 3261 §19.1.5).
    """
    uri = parse_uri(parse_name_addr(value, "Refer-To").uri)
    found = [parse_replaces(text) for name, text in _embedded(uri.headers) if name == "replaces"]
    if len(found) > 1:
        raise ParseError("more than one Replaces", header="Refer-To", section="RFC 3891 §3")
    params = {name: text for name, text in uri.params.items() if name != "method"}
    bare = msgspec.structs.replace(uri, params=params, headers="")
    return ReferTo(bare, (uri.params.get("method") or "INVITE").upper(), found[0] if found else None)


def refer_to_of(request: Request) -> ReferTo:
    """Read the Refer-To of a REFER: there is exactly one (RFC 3515 §2.4.1)."""
    values = [item for line in request.headers.getall("refer-to") for item in split_commas(line)]
    if len(values) != 1:
        raise ParseError("exactly one value is needed", header="Refer-To", section="RFC 3515 §2.4.1")
    return parse_refer_to(values[0])


def referred_by_of(request: Request) -> NameAddr | None:
    """Read who refers, by its own account (RFC 3892 §3); None when it does not say."""
    value = request.headers.get("referred-by")
    if value is None:
        return None
    address = parse_name_addr(value, "Referred-By")
    parse_uri(address.uri)
    return address


def wants_subscription(request: Request) -> bool:
    """Tell whether the referrer is to be told what becomes of it; it is unless it says no (RFC 4488 §4.1)."""
    value = request.headers.get("refer-sub") or "true"
    return value.partition(";")[0].strip(" \t").lower() != "false"


def _embedded(headers: str) -> list[tuple[str, str]]:
    """Split the headers of a URI into (name in lower case, value), escapes undone once (RFC 3261 §19.1.1)."""
    items = headers.split("&", MAX_PARAMETERS) if headers else []
    if len(items) > MAX_PARAMETERS:
        raise ParseError("too many headers in a URI", header="Refer-To")
    pairs = [item.partition("=") for item in items]
    return [(unescape(name).lower(), unescape(text)) for name, _, text in pairs]
