"""The transaction user: every event of the core, of the media plane and of time goes to its call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ivr_flows.events import Digit as KeyPressed
from ivr_flows.events import Event as FlowEvent
from media.control import (
    Digit,
    Heard,
    KeyForOther,
    KeyHeld,
    KeyPassed,
    MessageDone,
    PlayDone,
    Recorded,
    Released,
    Silence,
    Unauthentic,
)
from media.edge_plane import PeerEvent
from media.plane import MediaEvent, WorkerLost
from routing.acd.events import TimeDue
from switchboard.calls.after import after_due
from switchboard.calls.answering import ALLOW, SUPPORTED
from switchboard.calls.anteroom import ToCall
from switchboard.calls.attempts import leg_rang_out, leg_response, leg_unreached
from switchboard.calls.branches import Branch, Failure, branch_response, branch_unreached, branches_due
from switchboard.calls.call import Call, Phase
from switchboard.calls.calling_back import CALLBACK
from switchboard.calls.calling_out import still_waits, turn_came
from switchboard.calls.capture import message_ended
from switchboard.calls.carriers.challenges import CHALLENGES, challenge_answered
from switchboard.calls.carriers.enrolment import Enrolment
from switchboard.calls.carriers.probing import Probe
from switchboard.calls.causes import FAILED, NO_ANSWER, SHUTDOWN, TOO_LONG, Cause
from switchboard.calls.connecting import agent_response, agent_timeout, announce_end
from switchboard.calls.control import ATTEMPTS
from switchboard.calls.control.dead_media import fell_silent, heard_again
from switchboard.calls.control.digits import hearers_of
from switchboard.calls.control.leaving import party_lost
from switchboard.calls.control.transfer import park_over
from switchboard.calls.elsewhere import sent_elsewhere
from switchboard.calls.ending import end_call, finish, media_lost, media_released
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow import attempt_failed, flow_event, outcome_came, play_done, talk_over, timer_due
from switchboard.calls.in_dialog import ack_missing, ack_received, cancelled, request_in_dialog
from switchboard.calls.inbound import admit, new_invite, refuse, screen_any
from switchboard.calls.keep_alive import Ping, keep_alives_due, ping_answered, ping_unanswered
from switchboard.calls.keys import KeysToSend, is_echo, key_held, keys_answered, keys_go_on, send_keys
from switchboard.calls.leg import Leg
from switchboard.calls.prack import prack_missing, provisional_received
from switchboard.calls.queue_sounds import announced
from switchboard.calls.recording import recorded
from switchboard.calls.referral import reported
from switchboard.calls.refreshing import Update, invite_longer, refresh_failed, sessions_due, update_answered
from switchboard.calls.registration import register
from switchboard.calls.reinvite import Reinvite, reinvite_answered, reinvite_failed, reinvites_due
from switchboard.calls.returning import absences_due, flow_ended
from switchboard.calls.serving import OFFER, key_pressed
from switchboard.calls.sounds import Prepared
from switchboard.calls.subscribe import ALLOW_EVENTS, notified, subscribe
from switchboard.calls.subscriptions import notify_answered, subscriptions_due
from switchboard.calls.webrtc import peer_event
from switchboard.sip.events import (
    AckMissing,
    AckReceived,
    CancelReceived,
    Event,
    FlowLost,
    PrackMissing,
    RequestReceived,
    ResponseReceived,
    TransactionFailed,
    TransactionTimeout,
)
from switchboard.sip.message import Request, Response
from switchboard.sip.subscription import Subscription
from switchboard.sip.timers import DeadlineHeap
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.store.records import EndedBy

CallMedia = (
    Digit | PlayDone | Silence | Recorded | MessageDone | Unauthentic | KeyForOther | Heard | KeyHeld | KeyPassed
)
_KNOWN_METHODS: Final = frozenset(
    {"BYE", "INFO", "UPDATE", "PRACK", "SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "PUBLISH", "ACK", "CANCEL"}
)


class CallEngine:
    """Implements the driver's `TransactionUser`, and takes media events."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = x = exchange
        self._heaps = (x.heap, x.subscriptions.heap, x.reinvites, x.branch_heap, x.after_heap)
        exchange.deliver = self.deliver
        exchange.attempts = {
            "offer": OFFER,
            "callback": CALLBACK,
            **ATTEMPTS,
            "transfer": reported(ATTEMPTS["transfer"]),
        }

    # --- SIP ---

    def on_event(self, event: Event, now: float) -> None:
        """Give one event of the core to its call; one that our own fault spoils ends that call, and raises."""
        try:
            _SIP_HANDLERS[type(event)](self, event, now)
        except Exception:
            # Half-done, the call could be stuck for ever; the driver's boundary reports what is raised on.
            leg = getattr(getattr(event, "tx", None), "context", None)
            leg = leg.leg if isinstance(leg, Reinvite | Update | Branch) else leg
            call = self.exchange.call_of(leg) if isinstance(leg, Leg) else None
            if call is not None:
                end_call(self.exchange, call, FAILED, "switch", now)
            raise

    def _flow_lost(self, event: FlowLost, now: float) -> None:
        """Phones that were reached over a connection which has ended have to register anew (RFC 5626 §5.3)."""
        x = self.exchange
        lines = x.phones.cut_off(event.address)
        if lines:
            x.desk.phones_changed(now)
        flow_ended(x, event.address, lines, now)

    def _request(self, event: RequestReceived, now: float) -> None:
        x, tx, request = self.exchange, event.tx, event.request
        method = request.method
        if request.to_tag:
            request_in_dialog(x, tx, request, now)
        elif method == "INVITE":
            new_invite(x, tx, request, now)
        elif x.door.turns_away(tx.source, request.headers.first.get("user-agent"), now):
            x.core.abandon(tx)
        elif method == "REGISTER":
            register(x, tx, request, now)
        elif method == "OPTIONS":
            _options(x, tx, request, now)
        elif method == "SUBSCRIBE":
            subscribe(x, tx, request, now)
        elif method == "NOTIFY":
            notified(x, tx, request, now)
        else:
            _not_taken(x, tx, request, now)

    def _response(self, event: ResponseReceived, now: float) -> None:
        leg = event.tx.context
        if not isinstance(leg, Leg):
            status = event.response.status
            if leg is None and status < 300:
                return
            if status in CHALLENGES and challenge_answered(self.exchange, event.tx, event.response, now):
                return
            if status == 503 and sent_elsewhere(self.exchange, event.tx, now):
                return
            if isinstance(leg, Subscription):
                notify_answered(self.exchange, leg, event.response.status, now)
            elif isinstance(leg, KeysToSend):
                keys_answered(self.exchange, leg, event.response.status, now)
            elif isinstance(leg, Reinvite):
                reinvite_answered(self.exchange, leg, event.tx, event.response, now)
            elif isinstance(leg, Update):
                update_answered(self.exchange, leg, event.response, now)
            elif isinstance(leg, Probe | Enrolment):
                self.exchange.carriers.answered(leg, event.response, now)
            elif isinstance(leg, Branch):
                self._of_branch(leg, branch_response(self.exchange, leg, event.response, now), event.tx, now)
            elif isinstance(leg, Ping):
                ping_answered(self.exchange, leg)
            return
        if event.response.status == 503:
            self.exchange.locator.failed(event.tx.request.destination, now)
        self._of_leg(leg, event.tx, event.response, now)

    def _of_branch(self, branch: Branch, told: Failure | Response | None, tx: ClientTransaction, now: float) -> None:
        if isinstance(told, Failure):
            if told.response is not None:
                self._of_leg(branch.leg, told.tx, told.response, now)
            else:
                self._leg_unreached(branch.leg, now, unreachable=told.unreachable)
        elif told is not None:
            self._of_leg(branch.leg, tx, told, now)

    def _of_leg(self, leg: Leg, tx: ClientTransaction, response: Response, now: float) -> None:
        if response.status == 422 and invite_longer(self.exchange, leg, tx, response, now):
            return
        reliable = response.status < 200 and "rseq" in response.headers.first
        if reliable and not provisional_received(self.exchange, leg, tx, response, now):
            return
        if leg.purpose != "connect":
            leg_response(self.exchange, tx, leg, response, now)
            self._attempt(leg, None, "switch", now)
            return
        failure = agent_response(self.exchange, leg, tx, response, now)
        # Of ringing nothing comes due.
        if response.status >= 200:
            self._attempt(leg, failure, "agent" if response.status >= 300 else "switch", now)

    def _timeout(self, event: TransactionTimeout, now: float) -> None:
        self._unreached(event, now, unreachable=False)

    def _failed(self, event: TransactionFailed, now: float) -> None:
        self._unreached(event, now, unreachable=True)

    def _unreached(self, event: TransactionTimeout | TransactionFailed, now: float, *, unreachable: bool) -> None:
        leg = event.tx.context
        if not isinstance(leg, Leg):
            if sent_elsewhere(self.exchange, event.tx, now):
                return
            if isinstance(leg, Subscription):
                notify_answered(self.exchange, leg, 408, now)
            elif isinstance(leg, KeysToSend):
                keys_answered(self.exchange, leg, 408, now)
            elif isinstance(leg, Reinvite):
                reinvite_failed(self.exchange, leg, 408, now)
            elif isinstance(leg, Update):
                refresh_failed(self.exchange, leg.leg, 408, now)
            elif isinstance(leg, Probe | Enrolment):
                self.exchange.carriers.unanswered(leg, now, unreachable=unreachable)
            elif isinstance(leg, Branch):
                failure = branch_unreached(self.exchange, leg, now, unreachable=unreachable)
                self._of_branch(leg, failure, event.tx, now)
            elif isinstance(leg, Ping):
                ping_unanswered(self.exchange, leg, now)
            return
        self.exchange.locator.failed(event.tx.request.destination, now)
        self._leg_unreached(leg, now, unreachable=unreachable)

    def _leg_unreached(self, leg: Leg, now: float, *, unreachable: bool) -> None:
        failure = None
        if leg.purpose != "connect":
            leg_unreached(self.exchange, leg, now, unreachable=unreachable)
        else:
            failure = agent_timeout(self.exchange, leg, now, unreachable=unreachable)
        self._attempt(leg, failure, "switch", now)

    def _attempt(self, leg: Leg, failure: Cause | None, by: EndedBy, now: float) -> None:
        call = self.exchange.call_of(leg)
        if call is None:
            return
        if failure is not None:
            attempt_failed(self.exchange, call, failure, by, now)
        self._rearm(call)

    def _ack(self, event: AckReceived, now: float) -> None:
        call = ack_received(self.exchange, event.request, event.tx, now)
        if call is not None:
            self._rearm(call)

    def _ack_missing(self, event: AckMissing, now: float) -> None:
        ack_missing(self.exchange, event.tx, now)

    def _prack_missing(self, event: PrackMissing, now: float) -> None:
        prack_missing(self.exchange, event.tx, now)

    def _cancel(self, event: CancelReceived, now: float) -> None:
        cancelled(self.exchange, event.tx, now)

    # --- media ---

    def on_media(self, event: MediaEvent, now: float) -> None:
        """Give one event of the media plane to its call; one of an old lease finds no leg."""
        x = self.exchange
        if isinstance(event, WorkerLost):
            for lease in event.leases:
                leg = x.media_legs.get((lease.port, lease.gen))
                if leg is not None:
                    media_lost(x, leg, now)
            return
        leg = x.media_legs.get((event.port, event.gen))
        if leg is None:
            return
        if isinstance(event, Released):
            media_released(x, leg, event.stats, now)
            return
        call = x.call_of(leg)
        if call is None:
            return
        try:
            self._media_of_call(call, leg, event, now)
        except Exception:
            # As in on_event: better ended than stuck.
            end_call(x, call, FAILED, "switch", now)
            raise
        self._rearm(call)

    def on_edge(self, event: PeerEvent, now: float) -> None:
        """Give one event of the WebRTC edge to its call."""
        peer_event(self.exchange, event, self._no_audio, now)

    def _no_audio(self, x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
        """Nothing passes between a browser and us, or can any more: who talks is lost, who only rings is given up."""
        try:
            if leg.talking or leg is call.caller or leg is call.agent:
                party_lost(x, call, leg, cause, now)
            else:
                leg_rang_out(x, call, leg, now)
        except Exception:
            # As in on_event: better ended than stuck.
            end_call(x, call, FAILED, "switch", now)
            raise
        self._rearm(call)

    def _media_of_call(self, call: Call, leg: Leg, event: CallMedia, now: float) -> None:
        x = self.exchange
        if isinstance(event, Silence):
            fell_silent(x, call, leg, event.alive, now)
        elif isinstance(event, Heard):
            heard_again(x, call, leg)
        elif isinstance(event, KeyHeld):
            key_held(leg, event.digit, now, over=event.over)
        elif isinstance(event, KeyPassed):
            is_echo(leg, event.digit, "media", now)
        elif isinstance(event, KeyForOther):
            others = [] if is_echo(leg, event.digit, "media", now) else hearers_of(call, leg)
            for other in others:
                send_keys(x, other, event.digit, now)
        elif isinstance(event, Recorded):
            recorded(x, call, leg, event)
        elif isinstance(event, Unauthentic):
            # Its key is not that of its description, or somebody else sends from its address.
            x.log("call.leg_unauthentic", call_id=call.id, leg=leg.id, role=leg.role)
        elif leg is call.caller:
            self._media_of_caller(call, event, now)

    def _media_of_caller(self, call: Call, event: PlayDone | Digit | MessageDone, now: float) -> None:
        x = self.exchange
        if isinstance(event, MessageDone):
            captured = message_ended(x, call, event, now)
            if captured is not None:
                flow_event(x, call, captured, now)
        elif isinstance(event, Digit):
            if is_echo(call.caller, event.digit, "media", now):
                return
            call.digit_at = min(event.at, now)
            keys_go_on(call.caller, now)
            if call.phase is Phase.QUEUED:
                key_pressed(x, call, event.digit, now)
                return
            flow_event(x, call, KeyPressed(event.digit), now)
        elif event.play_id < 0:
            announced(x, call, event.play_id)
        elif event.play_id:
            play_done(x, call, event.play_id, now)

    def ports_short(self, short: bool) -> None:
        """Ports are on their way, so that who needs one may have to wait; some have come, or all that will."""
        room = self.exchange.anteroom
        room.open = short
        for _ in range(len(room)):
            # Ports come by the chunk, and a thousand may wait for the last one.
            if room.shut(self.exchange.ports_owed):
                return
            self.exchange.run(self._admit_next)

    def _admit_next(self, now: float) -> None:
        x = self.exchange
        one = x.anteroom.next(x.ports_owed)
        if isinstance(one, ToCall):
            self._call_next(one, now)
        elif one is not None:
            admit(x, one.tx, one.request, one.context, one.account, now)

    def _call_next(self, one: ToCall, now: float) -> None:
        x, call = self.exchange, self.exchange.call_of(one.leg)
        if call is None or not still_waits(call, one.leg):
            return
        try:
            if not turn_came(x, call, one, now):
                leg_rang_out(x, call, one.leg, now)
        except Exception:
            # As in on_event: better ended than stuck.
            end_call(x, call, FAILED, "switch", now)
            raise
        self._rearm(call)

    # --- what others were asked ---

    def deliver(self, call: Call, outcome: FlowEvent | Prepared) -> None:
        """Bring an answer to the call that waits for it, in the loop's order of events."""
        self.exchange.run(lambda now: self._outcome(call, outcome, now))

    def _outcome(self, call: Call, outcome: FlowEvent | Prepared, now: float) -> None:
        try:
            outcome_came(self.exchange, call, outcome, now)
        except Exception:
            # As in on_event: better ended than stuck.
            end_call(self.exchange, call, FAILED, "switch", now)
            raise
        self._rearm(call)

    # --- time ---

    def next_deadline(self) -> float | None:
        """The earliest deadline of any call, registration, subscription or flow without its caller."""
        x = self.exchange
        earliest = x.desk.next_due()
        due = x.carriers.due
        if due is not None and (earliest is None or due < earliest):
            earliest = due
        for due in (x.registrar.next_deadline(), x.keep_alive.next_deadline(), DeadlineHeap.earliest(self._heaps)):
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        if x.absences.known and (earliest is None or x.absences.next_deadline() < earliest):
            earliest = x.absences.next_deadline()
        return earliest

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        x = self.exchange
        x.registrar.handle_timer(now)
        keep_alives_due(x, now)
        x.desk.phones_changed(now)
        due_at = x.desk.next_due()
        if due_at is not None and due_at <= now:
            x.desk.tell(TimeDue(), now)
        subscriptions_due(x, now)
        reinvites_due(x, now)
        branches_due(x, now)
        x.carriers.handle_timer(now)
        after_due(x, now)
        if x.absences.known:
            absences_due(x, now, self._no_audio)
        while (due := x.heap.pop_due(now)) is not None:
            call = due[0]
            call.armed = None
            try:
                self._due(call, now)
            except Exception:
                # Its timer is spent, so it would be stuck; what is due of other calls is found by the next timer.
                end_call(x, call, FAILED, "switch", now)
                raise
            self._rearm(call)

    def _due(self, call: Call, now: float) -> None:
        x = self.exchange
        if call.end_due is not None and call.end_due <= now:
            if call.phase is Phase.ENDING:
                finish(x, call, now)
            else:
                end_call(x, call, TOO_LONG, "switch", now)
        elif call.ring_due is not None and call.ring_due <= now:
            attempt_failed(x, call, NO_ANSWER, "switch", now)
        elif call.session_due(now) is not None:
            sessions_due(x, call, now)
        elif (call.others or call.control is not None) and (leg := call.ringing_due(now)) is not None:
            leg_rang_out(x, call, leg, now)
        elif call.control is not None and call.control.park_due is not None and call.control.park_due <= now:
            park_over(x, call, now)
        elif call.phase is Phase.TALKING:
            self._talk_due(call, now)
        else:
            timer_due(x, call, now)

    def _talk_due(self, call: Call, now: float) -> None:
        if call.talk_due is not None and call.talk_due <= now:
            if not talk_over(self.exchange, call, now):
                end_call(self.exchange, call, TOO_LONG, "switch", now)
        elif call.warn_due is not None and call.warn_due <= now:
            announce_end(self.exchange, call)

    def _rearm(self, call: Call) -> None:
        if call.phase is not Phase.ENDED:
            self.exchange.arm(call)

    # --- operator ---

    def drain(self) -> None:
        """Take no new calls; those that are up go on."""
        self.exchange.draining = True
        self.ports_short(False)

    def end_all(self, now: float) -> None:
        """Hang up everything, and let nobody wait."""
        for call in list(self.exchange.calls.values()):
            end_call(self.exchange, call, SHUTDOWN, "switch", now)
        room = self.exchange.anteroom
        for _ in range(len(room)):
            room.open = False
            self._admit_next(now)


def _options(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """What we can, also when asked with Max-Forwards 0: the question is for us (RFC 3261 §11.2)."""
    owed = screen_any(request)
    if owed is not None:
        refuse(x, tx, owed[0], now, *owed[1])
        return
    headers = (ALLOW, SUPPORTED, *x.extensions, ALLOW_EVENTS, "Accept: application/sdp", x.contact)
    x.core.respond(tx, 200, "OK", to_tag=x.token(), headers=headers, now=now)


def _not_taken(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """A request outside a dialog that makes sense only within one, or that nobody knows."""
    if request.method in ("BYE", "INFO", "UPDATE", "PRACK"):
        refuse(x, tx, 481, now)
    elif request.method == "REFER":
        # Nobody's program may have us call somebody; what is referred is a call.
        refuse(x, tx, 403, now)
    else:
        refuse(x, tx, 405 if request.method in _KNOWN_METHODS else 501, now, ALLOW)


_SIP_HANDLERS: Final[dict[type, Callable[..., None]]] = {
    RequestReceived: CallEngine._request,
    ResponseReceived: CallEngine._response,
    AckReceived: CallEngine._ack,
    AckMissing: CallEngine._ack_missing,
    PrackMissing: CallEngine._prack_missing,
    CancelReceived: CallEngine._cancel,
    TransactionTimeout: CallEngine._timeout,
    TransactionFailed: CallEngine._failed,
    FlowLost: CallEngine._flow_lost,
}
