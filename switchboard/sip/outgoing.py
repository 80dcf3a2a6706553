"""What the TU hands down to be sent: a request before it has a Via."""

from __future__ import annotations

from typing import TypeAlias

Address: TypeAlias = tuple[str, int]
"""IP address and port, as sockets give and take them."""


class OutgoingRequest:
    """A request to send (RFC 3261 §8.1.1); the core adds Via, User-Agent and Content-Length."""

    __slots__ = (
        "body",
        "call_id",
        "content_type",
        "cseq",
        "destination",
        "from_",
        "headers",
        "max_forwards",
        "method",
        "moved",
        "named",
        "nat",
        "others",
        "routes",
        "to",
        "uri",
    )

    def __init__(
        self,
        method: str,
        uri: str,
        destination: Address,
        *,
        from_: str,
        to: str,
        call_id: str,
        cseq: int,
        routes: tuple[str, ...] = (),
        headers: tuple[str, ...] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
        max_forwards: int = 70,
        nat: bool = False,
    ) -> None:
        """`nat`: the peer is behind one, so that only what it has opened itself leads there."""
        self.method = method
        self.uri = uri
        self.destination = destination
        self.from_ = from_
        self.to = to
        self.call_id = call_id
        self.cseq = cseq
        self.routes = routes
        self.headers = headers
        self.body = body
        self.content_type = content_type
        self.max_forwards = max_forwards
        self.nat = nat
        self.named = ""
        """The URI of a first hop that is a name, where `destination` is only from where the peer has spoken."""
        self.others: tuple[Address, ...] | None = None
        """Once the name was looked up, where else it leads."""
        self.moved = False
        """True: it goes by TCP for its size alone."""

    def again(self, headers: tuple[str, ...], cseq: int = 0) -> OutgoingRequest:
        """The same request with other header lines and the next CSeq, or the one given (RFC 3261 §22.2)."""
        return OutgoingRequest(
            self.method,
            self.uri,
            self.destination,
            from_=self.from_,
            to=self.to,
            call_id=self.call_id,
            cseq=cseq or self.cseq + 1,
            routes=self.routes,
            headers=headers,
            body=self.body,
            content_type=self.content_type,
            max_forwards=self.max_forwards,
            nat=self.nat,
        )

    def elsewhere(self, others: tuple[Address, ...]) -> OutgoingRequest:
        """The very same request to the next of the other places (RFC 3263 §4.3)."""
        out = self.again(self.headers, self.cseq)
        out.destination, out.named, out.others = others[0], self.named, others[1:]
        return out

    def __repr__(self) -> str:
        return f"<OutgoingRequest {self.method} cseq {self.cseq} to {self.destination}>"
