"""Bodies of several parts, one of which is the description (RFC 5621 §3, RFC 2046 §5.1).

Gateways send the signals of a telephone network beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchboard.sip.errors import ParseError
from switchboard.sip.headers import Headers, parse_parameters, unquote

if TYPE_CHECKING:
    from switchboard.sip.message import Message

SDP: Final = "application/sdp"
MAX_PARTS: Final = 16
"""More than any gateway sends."""
_PLAIN: Final = ("", "7bit", "8bit", "binary", "identity")


def take_description(message: Message) -> bool:
    """Let the description in a body of several parts be all of the body; False where there is none to be had.

    What is beside it is not looked at, unless the sender says that it must be understood (RFC 3261 §20.11). Where
    nothing is said it need not be: so it is for the signals of telephone networks (RFC 3204 §4).
    """
    value = message.headers.first.get("content-type", "")
    if not value[:10].lower().startswith("multipart/"):
        return False
    found: bytes | None = None
    for head, content in _parts(value, message.body):
        kind, _, _ = (head.get("content-type") or "").partition(";")
        if found is None and kind.strip(" \t").lower() == SDP and _is_plain(head):
            found = content
        elif "handling=required" in (head.get("content-disposition") or "").lower().replace(" ", ""):
            return False
    if found is None:
        return False
    message.body, message.headers.first["content-type"] = found, SDP
    return True


def _parts(content_type: str, body: bytes) -> list[tuple[Headers, bytes]]:
    """Headers and content of each part; none where they cannot be told apart."""
    try:
        boundary = unquote(
            parse_parameters(content_type[content_type.find(";") :], "Content-Type").get("boundary") or ""
        )
    except ParseError:
        return []
    if not boundary or ";" not in content_type:
        return []
    mark = f"\r\n--{boundary}".encode("utf-8", "surrogateescape")
    _, *pieces = (b"\r\n" + body).split(mark, MAX_PARTS + 1)
    parts = []
    for piece in pieces[:MAX_PARTS]:
        padding, line_end, part = piece.partition(b"\r\n")
        if padding[:2] == b"--" or not line_end or padding.strip(b" \t"):
            break
        # A part without headers begins with the empty line.
        head, _, content = (b"\r\n" + part).partition(b"\r\n\r\n")
        parts.append((Headers(head.decode("utf-8", "surrogateescape").split("\r\n"), 1), content))
    return parts


def _is_plain(head: Headers) -> bool:
    return all((head.get(name) or "").lower() in _PLAIN for name in ("content-transfer-encoding", "content-encoding"))
