"""Registered phones with several calls each: the requests that a phone sends by itself, and what it is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from switchboard.sip.digest import answer
from switchboard.sip.headers import Headers
from switchboard.sip.message import Request
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import SWITCH, Peer, Team, World

DOMAIN = "switchboard.local"
BOB = ("127.0.0.5", 5080)
DESK = ("127.0.0.6", 5080)


class Line:
    """One dialog as a phone has it."""

    def __init__(self, phone: Phone, call_id: str, local: str, remote: str, cseq: int = 1) -> None:
        self.phone = phone
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.cseq = cseq

    def send(self, method: str, *headers: str, body: bytes = b"", content_type: str = "application/sdp") -> int:
        """A request within the dialog; the latest status that the phone has then."""
        world, peer = self.phone.world, self.phone.peer
        self.cseq += 1
        out = OutgoingRequest(
            method,
            f"sip:{SWITCH[0]}:{SWITCH[1]}",
            SWITCH,
            from_=self.local,
            to=self.remote,
            call_id=self.call_id,
            cseq=self.cseq,
            headers=(f"Contact: <sip:{peer.name}@{peer.address[0]}:{peer.address[1]}>", *headers),
            body=body,
            content_type=content_type,
        )
        before = len(peer.responses)
        peer.core.request(out, world.now)
        world.run()
        return peer.responses[-1].status if len(peer.responses) > before else 0

    def ack(self) -> None:
        """ACK of the latest INVITE's 2xx."""
        out = OutgoingRequest(
            "ACK", f"sip:{SWITCH[0]}:{SWITCH[1]}", SWITCH, from_=self.local, to=self.remote, call_id=self.call_id,
            cseq=self.cseq,
        )  # fmt: skip
        self.phone.peer.core.send_ack(out, self.phone.world.now)
        self.phone.world.run()

    def refer(self, target: str, *headers: str) -> int:
        """REFER to a URI, in its brackets."""
        return self.send("REFER", f"Refer-To: <{target}>", *headers)

    def replaces(self, *, early: bool = False) -> str:
        """This dialog as its far side knows it (RFC 3891 §3)."""
        return f"{self.call_id};to-tag={_tag(self.remote)};from-tag={_tag(self.local)}{';early-only' * early}"

    def attend(self, other: Line, *headers: str) -> int:
        """REFER to the far side of another line of the phone."""
        return self.refer(f"sip:{SWITCH[0]}:{SWITCH[1]}?Replaces={escape(other.replaces())}", *headers)

    def hold(self, direction: str = "sendonly") -> None:
        """Re-INVITE with another direction, and its ACK."""
        peer = self.phone.peer
        assert self.send("INVITE", body=peer.sdp(41000).replace(b"a=sendrecv", b"a=" + direction.encode())) == 200
        self.ack()

    @property
    def over(self) -> bool:
        """Whether the switch has hung it up."""
        return any(request.call_id == self.call_id for request in self.phone.peer.received("BYE"))


class Phone:
    """A phone of a peer's address."""

    def __init__(self, world: World, peer: Peer, user: str) -> None:
        self.world = world
        self.peer = peer
        self.user = user
        world.peers[peer.address] = peer

    def register(self) -> Phone:
        """As after a REGISTER that was answered by 200."""
        x, aor = self.world.exchange, f"{self.user}@{DOMAIN}"
        host, port = self.peer.address
        lines = [
            f"To: <sip:{aor}>",
            "From: x",
            "Call-ID: r",
            "CSeq: 1 REGISTER",
            f"Contact: <sip:{self.user}@{host}:{port}>",
        ]
        assert (
            x.registrar.register(
                Request("REGISTER", f"sip:{DOMAIN}", Headers(lines)), aor, self.peer.address, self.world.now
            ).status
            == 200
        )
        x.phones.registered(aor, self.peer.address, self.world.now)
        return self

    def answered(self) -> Line:
        """Answer the latest INVITE."""
        self.world.agent_answers(self.peer)
        invite = self.peer.received("INVITE")[-1]
        local = next(
            data for source, _, data in reversed(self.world.sent) if source == self.peer.address and b" INVITE" in data
        )
        to = next(line for line in local.decode().split("\r\n") if line.startswith("To:"))[3:].strip()
        return Line(self, invite.call_id, to, invite.headers.get("from") or "", 0)

    def dialled(self, number: str, *headers: str, call: bool = True) -> Line:
        """A call of its own, challenged and sent again; it is to be answered by somebody before `ack`."""
        uri = f"sip:{number}@{SWITCH[0]}"
        self.world.dial(number, peer=self.peer, caller=self.user, headers=headers)
        assert self.peer.statuses[-1] == 407
        challenge = self.peer.responses[-1].headers.getall("proxy-authenticate")[0]
        value = answer(challenge, "INVITE", uri, self.user, cnonce="c0ffee", nc=1, password="secret")
        out, _ = self.world.dial(
            number, peer=self.peer, caller=self.user, headers=(f"Proxy-Authorization: {value}", *headers)
        )
        return Line(self, out.call_id, out.from_, "")

    def confirmed(self, line: Line) -> Line:
        """The 2xx has come: take its tag and acknowledge it."""
        response = next(r for r in reversed(self.peer.responses) if r.call_id == line.call_id and r.status == 200)
        line.remote = response.headers.get("to") or ""
        line.ack()
        return line

    def told(self) -> list[int]:
        """The statuses that NOTIFYs have told so far; each is answered, and so are those that follow."""
        answered = True
        while answered:
            answered = False
            for index, (tx, request) in enumerate(self.peer.requests):
                if request.method == "NOTIFY" and not tx.wire:
                    self.world.reply(self.peer, 200, index=index)
                    answered = True
        return [int(request.body.split()[1]) for request in self.peer.received("NOTIFY")]

    def states(self) -> list[str]:
        """The Subscription-State of each NOTIFY, without seconds."""
        found = [request.headers.get("subscription-state") or "" for request in self.peer.received("NOTIFY")]
        return [re.sub(r";expires=\d+", "", state) for state in found]

    @property
    def methods(self) -> list[str]:
        """What was asked of it, in order."""
        return [request.method for _, request in self.peer.requests]


class Office(World):
    """A world with the phones of alice and bob, and one more that alice may use as well."""

    def __init__(self, *, workers: int = 1, ring_timeout: float = 20.0, teams: Sequence[Team] = ()) -> None:
        super().__init__(workers=workers, ring_timeout=ring_timeout, teams=teams)
        self.alice = Phone(self, self.phone, "alice").register()
        self.bob = Phone(self, Peer(BOB, self.token, "bob"), "bob").register()
        self.second = Phone(self, Peer(DESK, self.token, "desk"), "alice")

    def talk(self) -> tuple[OutgoingRequest, Line]:
        """A customer of the carrier talks to alice: the INVITE, and her line."""
        out, _ = self.dial("4007")
        line = self.alice.answered()
        self.within(self.carrier, out, "ACK", 1)
        return out, line

    def consult(self) -> tuple[Line, Line]:
        """Alice calls somebody herself; her line and theirs."""
        line = self.alice.dialled("4001")
        theirs = Phone(self, self.agent, "agent").answered()
        return self.alice.confirmed(line), theirs

    def lease_of(self, peer: Peer) -> int:
        """The port of ours that talks to a peer."""
        (port,) = {
            port
            for port, opened in self.plane.opened.items()
            if opened.remote_ip == peer.address[0] and port in self.plane.leased
        }
        return port

    def hears(self, peer: Peer) -> object:
        """What a peer hears: the address of who is bridged to it, what is played, or None."""
        port = self.lease_of(peer)
        other = self.plane.bridges.get(port)
        if other is not None:
            return self.plane.opened[other].remote_ip
        return self.plane.playing[port][1] if port in self.plane.playing else None


def escape(text: str) -> str:
    """For the headers of a URI."""
    return quote(text, safe="!*'()+$,/")


def _tag(value: str) -> str:
    return value.partition("tag=")[2]
