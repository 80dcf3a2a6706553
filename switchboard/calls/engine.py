"""The transaction user: every event of the core, of the media plane and of time goes to its call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ivr_flows.events import Event as FlowEvent
from media.edge_plane import PeerEvent
from media.events import Released
from media.plane import MediaEvent, WorkerLost
from routing.acd.events import TimeDue
from switchboard.calls.after import after_due
from switchboard.calls.anteroom import ToCall
from switchboard.calls.attempts import leg_rang_out, leg_response, leg_unreached
from switchboard.calls.branches import Branch, Failure, branch_response, branch_unreached, branches_due
from switchboard.calls.call import Call, Phase
from switchboard.calls.calling_back import CALLBACK
from switchboard.calls.calling_out import still_waits, turn_came
from switchboard.calls.carriers.challenges import CHALLENGES, challenge_answered
from switchboard.calls.carriers.enrolment import Enrolment
from switchboard.calls.carriers.probing import Probe
from switchboard.calls.causes import FAILED, SHUTDOWN, Cause
from switchboard.calls.connecting import agent_response, agent_timeout
from switchboard.calls.control import ATTEMPTS
from switchboard.calls.control.leaving import party_lost
from switchboard.calls.deadlines import call_due
from switchboard.calls.elsewhere import sent_elsewhere
from switchboard.calls.ending import end_call, media_lost, media_released
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow import attempt_failed, outcome_came
from switchboard.calls.in_dialog import ack_missing, ack_received, cancelled, request_in_dialog
from switchboard.calls.inbound import admit, new_invite
from switchboard.calls.keep_alive import Ping, keep_alives_due, ping_answered, ping_unanswered
from switchboard.calls.keys import KeysToSend, keys_answered
from switchboard.calls.leg import Leg
from switchboard.calls.media_events import media_event
from switchboard.calls.outside_dialogs import not_taken, options
from switchboard.calls.prack import early_over, prack_missing, provisional_received
from switchboard.calls.redirecting import followed
from switchboard.calls.referral import reported
from switchboard.calls.refreshing import (
    Update,
    invite_longer,
    keys_refused,
    lost_as,
    notify_refused,
    refresh_failed,
    refused_within,
    update_answered,
)
from switchboard.calls.registration import register
from switchboard.calls.reinvite import Reinvite, reinvite_answered, reinvite_failed, reinvites_due
from switchboard.calls.returning import absences_due, flow_ended
from switchboard.calls.serving import OFFER
from switchboard.calls.sounds import Prepared
from switchboard.calls.subscribe import notified, subscribe
from switchboard.calls.subscriptions import notify_answered, subscriptions_due
from switchboard.calls.watching import lines_due
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
from switchboard.sip.message import Response
from switchboard.sip.subscription import Subscription
from switchboard.sip.timers import DeadlineHeap
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.store.records import EndedBy


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
            leg = leg.leg if isinstance(leg, Reinvite | Update | Branch | KeysToSend) else leg
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
            options(x, tx, request, now)
        elif method == "SUBSCRIBE":
            subscribe(x, tx, request, now)
        elif method == "NOTIFY":
            notified(x, tx, request, now)
        else:
            not_taken(x, tx, request, now)

    def _response(self, event: ResponseReceived, now: float) -> None:
        leg = event.tx.context
        if not isinstance(leg, Leg):
            status = event.response.status
            if leg is None and status < 300:
                return
            if status in CHALLENGES and challenge_answered(self.exchange, event.tx, event.response, now):
                return
            # Of one that is no name another place is but another way to the same peer.
            if status == 503 and event.tx.request.named and sent_elsewhere(self.exchange, event.tx, now):
                return
            if isinstance(leg, Subscription):
                notify_answered(self.exchange, leg, status, now)
                notify_refused(self.exchange, leg.dialog, status, now)
            elif isinstance(leg, KeysToSend):
                keys_answered(self.exchange, leg, status, now)
                keys_refused(self.exchange, leg.leg, status, now)
            elif isinstance(leg, Reinvite):
                reinvite_answered(self.exchange, leg, event.tx, event.response, now)
                refused_within(self.exchange, leg.leg, status, now)
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
        if response.status >= 300 and self._goes_on(leg, tx, response, now):
            return
        if response.status < 200:
            if response.status > 100 and not provisional_received(self.exchange, leg, tx, response, now):
                return
            if response.status == 199:
                early_over(self.exchange, leg, response)
                return
        if leg.purpose != "connect":
            leg_response(self.exchange, tx, leg, response, now)
            self._attempt(leg, None, "switch", now)
            return
        failure = agent_response(self.exchange, leg, tx, response, now)
        # Of ringing nothing comes due.
        if response.status >= 200:
            self._attempt(leg, failure, "agent" if response.status >= 300 else "switch", now)

    def _goes_on(self, leg: Leg, tx: ClientTransaction, response: Response, now: float) -> bool:
        """Whether a failure is none: the INVITE is sent again for longer, or where the response leads."""
        if response.status == 422:
            return invite_longer(self.exchange, leg, tx, response, now)
        return response.status < 400 and followed(self.exchange, leg, tx, response, now)

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
                keys_refused(self.exchange, leg.leg, 408, now)
            elif isinstance(leg, Reinvite):
                status = lost_as(self.exchange, leg.leg, unreachable)
                reinvite_failed(self.exchange, leg, status, now)
                refused_within(self.exchange, leg.leg, status, now)
            elif isinstance(leg, Update):
                refresh_failed(self.exchange, leg.leg, lost_as(self.exchange, leg.leg, unreachable), now)
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
        call = ack_missing(self.exchange, event.tx, now)
        if call is not None:
            self._rearm(call)

    def _prack_missing(self, event: PrackMissing, now: float) -> None:
        prack_missing(self.exchange, event.tx, now)

    def _cancel(self, event: CancelReceived, now: float) -> None:
        cancelled(self.exchange, event.tx, event.request, now)

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
            media_event(x, call, leg, event, now)
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
        due = x.absences.due
        if due is not None and (earliest is None or due < earliest):
            earliest = due
        due = x.subscriptions.look_due
        if due is not None and (earliest is None or due < earliest):
            earliest = due
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
        lines_due(x, now)
        reinvites_due(x, now)
        branches_due(x, now)
        x.carriers.handle_timer(now)
        after_due(x, now)
        if x.absences.due is not None:
            absences_due(x, now, self._no_audio)
        while (due := x.heap.pop_due(now)) is not None:
            call = due[0]
            call.armed = None
            try:
                call_due(x, call, now)
            except Exception:
                # Its timer is spent, so it would be stuck; what is due of other calls is found by the next timer.
                end_call(x, call, FAILED, "switch", now)
                raise
            self._rearm(call)

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
