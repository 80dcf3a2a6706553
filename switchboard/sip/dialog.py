"""Dialogs as plain data: what must be remembered to send and judge requests inside one (RFC 3261 §12)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from switchboard.sip.address import parse_name_addr, scan_tag
from switchboard.sip.flow import StreamAddress, WebAddress, on_transport
from switchboard.sip.outgoing import Address, OutgoingRequest

if TYPE_CHECKING:
    from switchboard.sip.message import Request, Response

TARGET_REFRESH: Final = frozenset(("INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"))
"""Requests whose Contact, and that of their 2xx, moves the remote target (RFC 3261 §6, RFC 6665 §3.2)."""

_TAG: Final = re.compile(r";[ \t]*tag[ \t]*=[^;]*", re.IGNORECASE)
_LOOSE: Final = re.compile(r";[ \t]*lr(?=[;=?]|\Z)", re.IGNORECASE)
_HEADERS: Final = re.compile(r"\?.*\Z")
_METHOD: Final = re.compile(r";method=[^;]*", re.IGNORECASE)
_TRANSPORT: Final = re.compile(r";transport=([a-z]+)", re.IGNORECASE)
_NAME: Final = re.compile(
    r"sips?:(?:[^@]*@)?(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*\.?(?::[0-9]{1,5})?(?=[;?]|\Z)", re.IGNORECASE
)
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
_LITERAL: Final = re.compile(
    rf"sips?:(?:[^@]*@)?(?:({_OCTET}(?:\.{_OCTET}){{3}})|\[([0-9a-f:.]+)\])(?::([0-9]{{1,5}}))?(?=[;?]|\Z)",
    re.IGNORECASE,
)


class Dialog(msgspec.Struct, array_like=True):
    """One dialog as seen from our side; it survives being encoded and decoded."""

    call_id: str
    local_tag: str
    remote_tag: str
    local_uri: str
    """Our From value without its tag."""
    remote_uri: str
    """Our To value without its tag."""
    remote_target: str
    """The URI of the peer's Contact."""
    routes: list[str]
    """Route values, the nearest first."""
    local_seq: int
    remote_seq: int | None
    destination: Address
    """Where requests go: the first hop if it is an IP address, the source of the peer's packets otherwise."""
    confirmed: bool = False
    nat: bool = False
    """True: the peer's own addresses are not to be believed, requests go where it was last seen."""
    ours: bool = False
    """True: its Call-ID is ours (RFC 3261 §14.1)."""
    named: str = ""
    """The URI of the first hop where that is a name; who sends looks up where it leads (RFC 3263)."""

    @classmethod
    def as_server(cls, request: Request, local_tag: str, source: Address, *, nat: bool = False) -> Dialog:
        """Make the dialog of a request we accept (RFC 3261 §12.1.1); it is early until `confirmed` is set."""
        headers = request.headers
        routes = headers.values("record-route") if "record-route" in headers.first else []
        # A peer without a Contact breaks §8.1.1.8; its From is the best guess that is left.
        target = request.contact_uri or request.from_.uri
        dialog = cls(
            call_id=request.call_id,
            local_tag=request.to_tag or local_tag,
            remote_tag=request.from_tag or "",
            local_uri=untagged(headers.first.get("to", "")),
            remote_uri=untagged(headers.first.get("from", "")),
            remote_target=target,
            routes=routes,
            local_seq=0,
            remote_seq=request.cseq,
            destination=source if nat else next_hop(routes, target, source),
            nat=nat,
        )
        if dialog.destination is source:
            dialog.named = "" if nat else hop_name(routes, target, source)
        return dialog

    @classmethod
    def as_client(cls, out: OutgoingRequest, response: Response, source: Address, *, nat: bool = False) -> Dialog:
        """Make the dialog of a 101-299 response to our request (RFC 3261 §12.1.2)."""
        dialog = cls(
            call_id=out.call_id,
            local_tag=scan_tag(out.from_) or "",
            remote_tag=response.to_tag or "",
            local_uri=untagged(out.from_),
            remote_uri=untagged(out.to),
            remote_target=out.uri,
            routes=[],
            local_seq=out.cseq,
            remote_seq=None,
            destination=source,
            nat=nat,
            ours=True,
        )
        dialog.establish(response, source)
        return dialog

    def establish(self, response: Response, source: Address) -> None:
        """Take route set and target from a response; a 2xx confirms (RFC 3261 §12.1.2, §13.2.2.4)."""
        headers = response.headers
        self.routes = headers.values("record-route")[::-1] if "record-route" in headers.first else []
        self.confirmed = self.confirmed or response.status >= 200
        self.refresh(response, source)

    def refresh(self, message: Request | Response, source: Address) -> None:
        """Move the target to the Contact of a target refresh request or its 2xx (RFC 3261 §12.2.1.2)."""
        self.remote_target = message.contact_uri or self.remote_target
        self.destination = source if self.nat else next_hop(self.routes, self.remote_target, source)
        if self.named or self.destination is source:
            self.named = "" if self.nat else hop_name(self.routes, self.remote_target, source)

    def accept(self, request: Request, source: Address | None = None) -> bool:
        """Judge the order of a request in the dialog, False: 500 is owed (RFC 3261 §12.2.2).

        A target refresh request moves the target; `source` is where it came from.
        """
        if request.method in ("ACK", "CANCEL"):
            return True
        if self.remote_seq is not None and request.cseq < self.remote_seq:
            return False
        self.remote_seq = request.cseq
        if request.method in TARGET_REFRESH:
            self.refresh(request, source or self.destination)
        elif self.nat and source is not None:
            self.destination = source
        return True

    def next_request(
        self,
        method: str,
        headers: tuple[str, ...] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
    ) -> OutgoingRequest:
        """Make the next request in the dialog; its CSeq is one higher (RFC 3261 §12.2.1.1)."""
        self.local_seq += 1
        return self._request(method, self.local_seq, headers, body, content_type)

    def ack(
        self,
        invite_cseq: int,
        headers: tuple[str, ...] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
    ) -> OutgoingRequest:
        """Make the ACK of a 2xx: it has the CSeq number of its INVITE (RFC 3261 §13.2.2.4)."""
        return self._request("ACK", invite_cseq, headers, body, content_type)

    def _request(
        self, method: str, cseq: int, headers: tuple[str, ...], body: bytes, content_type: str
    ) -> OutgoingRequest:
        uri, routes = self.remote_target, tuple(self.routes)
        if routes and not _LOOSE.search(first := _uri_of(routes[0])):
            # Strict router: it is named in the Request-URI, the target goes last (RFC 3261 §12.2.1.1). A
            # Request-URI has neither headers nor a method parameter (§19.1.1).
            uri, routes = _METHOD.sub("", _HEADERS.sub("", first)), (*routes[1:], f"<{uri}>")
        out = OutgoingRequest(
            method,
            uri,
            self.destination,
            from_=f"{self.local_uri};tag={self.local_tag}" if self.local_tag else self.local_uri,
            to=f"{self.remote_uri};tag={self.remote_tag}" if self.remote_tag else self.remote_uri,
            call_id=self.call_id,
            cseq=cseq,
            routes=routes,
            headers=headers,
            body=body,
            content_type=content_type,
            nat=self.nat,
        )
        if self.named:
            out.named = self.named
        elif type(self.destination) is not tuple and not self.nat:
            out.others = _listening(self.routes, self.remote_target, self.destination)
        return out


def untagged(value: str) -> str:
    """Return a From or To value without its tag parameter."""
    end = value.rfind(">") + 1
    if end == len(value) or (value.startswith(";tag=", end) and ";" not in value[end + 1 :]):
        return value[:end]
    return value[:end] + _TAG.sub("", value[end:])


def next_hop(routes: list[str], target: str, source: Address) -> Address:
    """Where requests go: to the first hop, but over the connection that is open to that host already (RFC 5923).

    Who comes over a WebSocket is reached in no other way, whatever address a browser invents (RFC 7118 §5.2).
    """
    hop = first_hop(routes, target)
    if hop is None or (isinstance(source, StreamAddress) and (hop[0] == source[0] or isinstance(source, WebAddress))):
        return source
    return hop if type(hop) is tuple or not isinstance(hop, WebAddress) else source


def _listening(routes: list[str], target: str, source: Address) -> tuple[Address, ...] | None:
    """Where a peer can be connected to, should the connection that it has opened be gone by now (RFC 3261 §12.2.1.1).

    By the same transport: what came by TLS is never said in clear.
    """
    if not isinstance(source, StreamAddress) or isinstance(source, WebAddress):
        return None
    hop = first_hop(routes, target)
    if hop is None or hop[0] != source[0] or hop[1] == source[1]:
        return None
    return (type(source)((hop[0], hop[1])),)


def hop_name(routes: list[str], target: str, source: Address) -> str:
    """The URI of the first route, or of the target, where its host is a name that DNS may know; else nothing."""
    if isinstance(source, WebAddress):
        return ""
    uri = _uri_of(routes[0]) if routes else target
    return uri if _NAME.match(uri) else ""


_REMEMBERED: Final = 256
"""Characters of a URI whose place is kept; a longer one is not worth the memory."""


def first_hop(routes: list[str], target: str) -> Address | None:
    """The address of the first route, or of the target, when it is an IP literal (RFC 3261 §12.2.1.1).

    A transport parameter makes it one of a stream, `sips` one of TLS (RFC 3261 §26.2.2).
    """
    uri = _uri_of(routes[0]) if routes else target
    return _literal_place(uri) if len(uri) <= _REMEMBERED else _literal_place.__wrapped__(uri)


# A gateway has the same Contact in all its calls.
@lru_cache(maxsize=1024)
def _literal_place(uri: str) -> Address | None:
    match = _LITERAL.match(uri)
    if match is None:
        return None
    transport = ""
    if uri[3] in "sS":
        transport = "tls"
    elif match.end() < len(uri) and (found := _TRANSPORT.search(uri, match.end())) is not None:
        transport = found[1].lower()
    port = int(match[3] or (5061 if transport == "tls" else 5060))
    if not 0 < port < 65536:
        return None
    host = match[1] or match[2]
    return on_transport((host, port), transport) if transport or match[2] else (host, port)


def _uri_of(route: str) -> str:
    if '"' in route:
        # A display name may hold anything, even brackets.
        return parse_name_addr(route, "Route").uri
    return route[route.find("<") + 1 :].partition(">")[0]
