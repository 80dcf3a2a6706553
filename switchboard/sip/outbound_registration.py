"""We register at a carrier: refreshed before it ends, backed off, at the next place when one fails (RFC 3261 §10.2).

A registration has several targets, the first to be tried first. When the one that is asked fails the next is asked at
once; when all have failed there is a pause, doubled each time, at random between its half and its whole (RFC 5626
§4.5). What was granted holds until it ends, whatever becomes of refreshing it. Requests are taken by `take`; the answer
to one that is not under way any more changes nothing.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import msgspec

from switchboard.sip.address import parse_name_addr
from switchboard.sip.errors import ParseError
from switchboard.sip.headers import is_digits, split_commas
from switchboard.sip.outgoing import Address, OutgoingRequest
from switchboard.sip.uri import same_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from switchboard.sip.digest_client import DigestClient
    from switchboard.sip.message import Response

LONGEST: Final = 7 * 86400
"""No Min-Expires of a registrar, nor what it grants, is followed beyond. Seconds."""
SHORTEST: Final = 2.0
"""Seconds from an answer to the refresh at least, however little is granted."""
MAX_PAUSE: Final = 1800.0
MOST_BRIEFS: Final = 2
"""So often in a row a registrar may say that an interval is too brief, and be asked for a longer one."""
MAX_ROUTES: Final = 5


class State(enum.Enum):
    """Where a registration stands."""

    OFF = "off"
    TRYING = "trying"
    HELD = "held"
    REFRESHING = "refreshing"
    WAITING = "waiting"
    LEAVING = "leaving"


class Input(enum.Enum):
    """What moves it. NEXT: this target has failed and there is another; EXHAUSTED: it was the last."""

    START = "start"
    GRANTED = "granted"
    NEXT = "next"
    EXHAUSTED = "exhausted"
    DUE = "due"
    STOP = "stop"


TRANSITIONS: Final[dict[tuple[State, Input], State]] = {
    (State.OFF, Input.START): State.TRYING,
    (State.TRYING, Input.GRANTED): State.HELD,
    (State.TRYING, Input.NEXT): State.TRYING,
    (State.TRYING, Input.EXHAUSTED): State.WAITING,
    (State.TRYING, Input.STOP): State.LEAVING,
    (State.HELD, Input.DUE): State.REFRESHING,
    (State.HELD, Input.STOP): State.LEAVING,
    (State.REFRESHING, Input.GRANTED): State.HELD,
    (State.REFRESHING, Input.NEXT): State.TRYING,
    (State.REFRESHING, Input.EXHAUSTED): State.WAITING,
    (State.REFRESHING, Input.STOP): State.LEAVING,
    (State.WAITING, Input.DUE): State.TRYING,
    (State.WAITING, Input.STOP): State.OFF,
    (State.LEAVING, Input.GRANTED): State.OFF,
    (State.LEAVING, Input.NEXT): State.OFF,
    (State.LEAVING, Input.EXHAUSTED): State.OFF,
    (State.LEAVING, Input.START): State.TRYING,
}
"""A pair that is not in it changes nothing."""


class Target(msgspec.Struct, frozen=True):
    """One place to register at: its name among the gateways, its address, the Request-URI."""

    gateway: str
    address: Address
    uri: str


class Account(msgspec.Struct, frozen=True):
    """What is registered: the address-of-record, the seconds asked for, the least pause after all have failed."""

    aor: str
    expires: int = 3600
    retry: float = 30.0


class OutboundRegistration:
    """One registration of ours, without clock and sockets; `due` is when `handle_timer` is wanted."""

    __slots__ = (
        "_account", "_briefs", "_call_ids", "_contact", "_cseq", "_digest", "_expires", "_failures", "_left", "_outbox",
        "_random", "_tag", "_targets", "_token", "_trying", "_under_way", "bound_at", "bound_until", "due", "reason",
        "routes", "state",
    )  # fmt: skip

    def __init__(
        self,
        account: Account,
        targets: Callable[[float], Sequence[Target]],
        contact: Callable[[Address], str],
        digest: DigestClient | None,
        token: Callable[[], str],
        random: Callable[[], float],
    ) -> None:
        """`targets(now)` are the places as they are known now, `contact(address)` our URI as seen from there.

        `random` gives numbers of 0 to 1, `token` unguessable text of token characters.
        """
        self._account = account
        self._targets = targets
        self._contact = contact
        self._digest = digest
        self._token = token
        self._random = random
        self._tag = token()
        self._call_ids: dict[Address, str] = {}
        self._cseq = 0
        self._expires = account.expires
        self._briefs = 0
        self._failures = 0
        self._left: list[Target] = []
        self._outbox: list[OutgoingRequest] = []
        self._under_way: OutgoingRequest | None = None
        self.state = State.OFF
        self._trying: Target | None = None
        self.bound_at: Target | None = None
        """Where we are registered, or were last."""
        self.bound_until = 0.0
        """Until then the registrar has granted it; 0.0 when it has not."""
        self.due: float | None = None
        self.reason = ""
        """Why the latest try has failed, "" when it has not: "403", "timeout", "transport", "no address"."""
        self.routes: tuple[str, ...] = ()
        """What requests by this registration are to be routed by (Service-Route, RFC 3608)."""

    @property
    def aor(self) -> str:
        """The address-of-record."""
        return self._account.aor

    def holds(self, now: float) -> bool:
        """Whether we are registered."""
        return now < self.bound_until

    def take(self) -> list[OutgoingRequest]:
        """The requests to be sent now; what becomes of each is told by `answered` or `unanswered`."""
        outbox, self._outbox = self._outbox, []
        return outbox

    # --- what happens ---

    def start(self, now: float) -> None:
        """Register, and stay so."""
        if self._move(Input.START):
            self._failures = 0
            self._begin_round(now)

    def stop(self, now: float) -> None:
        """Be registered no more; what is bound is taken back (RFC 3261 §10.2.2)."""
        trying = self.state is State.TRYING
        if not self._move(Input.STOP):
            return
        self.due = None
        # What is tried for the first time may be refused; if it is not, its answer is followed by the end of it.
        if self.state is State.LEAVING and not trying:
            self._unregister()

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        if self.due is None or now < self.due:
            return
        self.due = None
        was_held = self.state is State.HELD
        if not self._move(Input.DUE):
            return
        if was_held and self.bound_at is not None:
            self._left = [one for one in self._targets(now) if one.address != self.bound_at.address]
            self._register(self.bound_at)
        else:
            self._begin_round(now)

    def answered(self, sent: OutgoingRequest, response: Response, now: float) -> None:
        """A final response to a REGISTER of ours."""
        if sent is not self._under_way or response.status < 200:
            return
        self._under_way = None
        status = response.status
        if status < 300:
            self._granted(sent, response, now)
        elif status in (401, 407) and self._digest is not None:
            lines = self._digest.retry(response, sent, self._token())
            if lines is not None:
                self._cseq += 1
                self._send(sent.again(lines))
            else:
                self._failed(f"{status} password refused", now)
        elif status == 423 and self._takes_longer(response):
            assert self._trying is not None
            self._register(self._trying)
        else:
            self._failed(str(status), now, _retry_after(response))

    def unanswered(self, sent: OutgoingRequest, now: float, *, unreachable: bool) -> None:
        """Nobody answered in time, or the transport failed."""
        if sent is self._under_way:
            self._under_way = None
            self._failed("transport" if unreachable else "timeout", now)

    # --- what follows ---

    def _takes_longer(self, response: Response) -> bool:
        """Whether it is tried with the interval that a 423 wants (RFC 3261 §10.2.8); not one after the other."""
        least = _min_expires(response)
        if least <= self._expires or self._briefs >= MOST_BRIEFS or self.state is State.LEAVING:
            return False
        self._expires, self._briefs = least, self._briefs + 1
        return True

    def _move(self, moved_by: Input) -> bool:
        following = TRANSITIONS.get((self.state, moved_by))
        if following is None:
            return False
        self.state = following
        return True

    def _begin_round(self, now: float) -> None:
        self._briefs = 0
        self._left = list(self._targets(now))
        addresses = {one.address for one in self._left}
        self._call_ids = {address: known for address, known in self._call_ids.items() if address in addresses}
        if self._left:
            self._register(self._left.pop(0))
        else:
            self._failed("no address", now)

    def _granted(self, sent: OutgoingRequest, response: Response, now: float) -> None:
        if self.state is State.LEAVING:
            if _asks_for(sent):
                self.bound_at = self._trying
                self._unregister()
            else:
                self.bound_until = 0.0
                self._move(Input.GRANTED)
            return
        seconds = self._seconds_of(sent, response)
        if seconds <= 0:
            self._failed("not granted", now)
            return
        self._move(Input.GRANTED)
        self._failures, self._briefs, self.reason = 0, 0, ""
        self.bound_at, self.bound_until = self._trying, now + seconds
        self.routes = _service_routes(response)
        # Early enough for one more try after one that nobody answers.
        share = 0.5 if seconds < 90 else 0.8
        self.due = now + max(seconds * share * (1.0 - 0.1 * self._random()), SHORTEST)

    def _failed(self, reason: str, now: float, pause: float = 0.0) -> None:
        if self.state is State.LEAVING:
            self.bound_until = 0.0
            self._move(Input.EXHAUSTED)
            return
        self.reason = reason
        if self._left:
            self._move(Input.NEXT)
            self._register(self._left.pop(0))
            return
        self._move(Input.EXHAUSTED)
        self._failures += 1
        most = min(self._account.retry * 2.0 ** min(self._failures - 1, 16), MAX_PAUSE)
        self.due = now + max(most * (0.5 + 0.5 * self._random()), min(pause, MAX_PAUSE))

    # --- requests ---

    def _register(self, target: Target) -> None:
        self._trying = target
        self._send(self._request(target, self._expires))

    def _unregister(self) -> None:
        assert self.bound_at is not None
        self._send(self._request(self.bound_at, 0))

    def _request(self, target: Target, expires: int) -> OutgoingRequest:
        self._cseq += 1
        lines: tuple[str, ...] = (
            f"Contact: <{self._contact(target.address)}>",
            f"Expires: {expires}",
            "Supported: path",
        )
        if self._digest is not None:
            lines += self._digest.headers("REGISTER", target.uri, self._token())
        return OutgoingRequest(
            "REGISTER",
            target.uri,
            target.address,
            from_=f"<{self._account.aor}>;tag={self._tag}",
            to=f"<{self._account.aor}>",
            call_id=self._call_ids.setdefault(target.address, self._token()),
            cseq=self._cseq,
            headers=lines,
        )

    def _send(self, request: OutgoingRequest) -> None:
        self._under_way = request
        self._outbox.append(request)

    def _seconds_of(self, sent: OutgoingRequest, response: Response) -> int:
        """What was granted: of our own Contact, else of the whole answer, else what was asked for (§10.2.4)."""
        ours = self._contact(sent.destination)
        general = response.headers.get("expires")
        for value in [item for line in response.headers.getall("contact") for item in split_commas(line)]:
            try:
                contact = parse_name_addr(value, "Contact")
                if same_uri(contact.uri, ours):
                    general = contact.params.get("expires") or general
                    break
            except ParseError:
                continue
        if general is None or not is_digits(general) or len(general) > 10:
            return self._expires
        return min(int(general), LONGEST)


def _asks_for(sent: OutgoingRequest) -> bool:
    """Whether a REGISTER asks for a binding rather than for its end."""
    return "Expires: 0" not in sent.headers


def _min_expires(response: Response) -> int:
    value = response.headers.get("min-expires") or ""
    return min(int(value), LONGEST) if is_digits(value) and len(value) <= 10 else 0


def _retry_after(response: Response) -> float:
    digits = (response.headers.get("retry-after") or "").partition(";")[0].partition("(")[0].strip()
    return float(digits) if is_digits(digits) and len(digits) <= 10 else 0.0


def _service_routes(response: Response) -> tuple[str, ...]:
    values = [item for line in response.headers.getall("service-route") for item in split_commas(line)]
    routes = []
    for value in values[:MAX_ROUTES]:
        try:
            parse_name_addr(value, "Service-Route")
        except ParseError:
            return ()
        routes.append(value)
    return tuple(routes)
