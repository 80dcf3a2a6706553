"""Each row of the four transaction tables, and each pair that has none."""

from __future__ import annotations

from math import inf

import pytest

from switchboard.sip.message import Request, Response, parse_datagram
from switchboard.sip.own import OwnPlaces
from switchboard.sip.timers import DeadlineHeap, Timers
from switchboard.sip.transaction import client_invite, client_non_invite, server_invite, server_non_invite
from switchboard.sip.transaction.client import ClientTransaction, ClientTransactions
from switchboard.sip.transaction.outbox import Outbox
from switchboard.sip.transaction.server import ServerTransaction, ServerTransactions
from switchboard.sip.transaction.table import Action, Input, State
from tests.unit.sip.peer import OURS, PEER, answer, first_line, outgoing, request

NOW = 0.0
T1, T2, T4 = 0.5, 4.0, 5.0
LIFE = 64 * T1

# Per row: next state, what is sent, what the TU hears, the timers armed afterwards as (letter, seconds from now).
# "kept" stands for the timers the state came with.
Effect = tuple[str, list[str], list[str], object]

CLIENT_INVITE: dict[tuple[str, str], Effect] = {
    ("CALLING", "START"): ("CALLING", ["INVITE"], [], [("TIMER_A", T1)]),
    ("CALLING", "TIMER_A"): ("CALLING", ["INVITE"], [], [("TIMER_A", 2 * T1)]),
    ("CALLING", "TIMER_B"): ("TERMINATED", [], ["TransactionTimeout"], []),
    ("CALLING", "TRANSPORT_ERROR"): ("TERMINATED", [], ["TransactionFailed"], []),
    ("CALLING", "CANCEL"): ("CALLING", [], [], "kept"),
    ("CALLING", "RECEIVE_1XX"): ("PROCEEDING", [], ["ResponseReceived"], []),
    ("CALLING", "RECEIVE_2XX"): ("ACCEPTED", [], ["ResponseReceived"], [("TIMER_M", LIFE)]),
    ("CALLING", "RECEIVE_FINAL"): ("COMPLETED", ["ACK"], ["ResponseReceived"], [("TIMER_D", LIFE)]),
    ("PROCEEDING", "CANCEL"): (
        "PROCEEDING",
        ["CANCEL"],
        [],
        [("TIMER_E", T1), ("TIMER_CANCEL", LIFE)],
    ),
    ("PROCEEDING", "TIMER_CANCEL"): ("TERMINATED", [], ["TransactionTimeout"], []),
    ("PROCEEDING", "FLOW_LOST"): ("TERMINATED", [], ["TransactionFailed"], []),
    ("PROCEEDING", "RECEIVE_1XX"): ("PROCEEDING", [], ["ResponseReceived"], []),
    ("PROCEEDING", "RECEIVE_2XX"): ("ACCEPTED", [], ["ResponseReceived"], [("TIMER_M", LIFE)]),
    ("PROCEEDING", "RECEIVE_FINAL"): ("COMPLETED", ["ACK"], ["ResponseReceived"], [("TIMER_D", LIFE)]),
    ("COMPLETED", "RECEIVE_FINAL"): ("COMPLETED", ["ACK"], [], "kept"),
    ("COMPLETED", "TIMER_D"): ("TERMINATED", [], [], []),
    ("ACCEPTED", "RECEIVE_2XX"): ("ACCEPTED", [], ["ResponseReceived"], "kept"),
    ("ACCEPTED", "TIMER_M"): ("TERMINATED", [], [], []),
}
CLIENT_NON_INVITE: dict[tuple[str, str], Effect] = {
    ("TRYING", "START"): ("TRYING", ["OPTIONS"], [], [("TIMER_E", T1)]),
    ("TRYING", "TIMER_E"): ("TRYING", ["OPTIONS"], [], [("TIMER_E", 2 * T1)]),
    ("TRYING", "TIMER_F"): ("TERMINATED", [], ["TransactionTimeout"], []),
    ("TRYING", "TRANSPORT_ERROR"): ("TERMINATED", [], ["TransactionFailed"], []),
    ("TRYING", "RECEIVE_1XX"): ("PROCEEDING", [], ["ResponseReceived"], "kept"),
    ("TRYING", "RECEIVE_FINAL"): ("COMPLETED", [], ["ResponseReceived"], [("TIMER_K", T4)]),
    ("PROCEEDING", "TIMER_E"): ("PROCEEDING", ["OPTIONS"], [], [("TIMER_E", T2)]),
    ("PROCEEDING", "TIMER_F"): ("TERMINATED", [], ["TransactionTimeout"], []),
    ("PROCEEDING", "TRANSPORT_ERROR"): ("TERMINATED", [], ["TransactionFailed"], []),
    ("PROCEEDING", "RECEIVE_1XX"): ("PROCEEDING", [], ["ResponseReceived"], "kept"),
    ("PROCEEDING", "RECEIVE_FINAL"): ("COMPLETED", [], ["ResponseReceived"], [("TIMER_K", T4)]),
    ("COMPLETED", "TIMER_K"): ("TERMINATED", [], [], []),
}
SERVER_INVITE: dict[tuple[str, str], Effect] = {
    ("PROCEEDING", "START"): ("PROCEEDING", [], ["RequestReceived"], [("TIMER_TRYING", 0.2)]),
    ("PROCEEDING", "REQUEST"): ("PROCEEDING", ["180"], [], "kept"),
    ("PROCEEDING", "TIMER_TRYING"): ("PROCEEDING", ["100"], [], []),
    ("PROCEEDING", "CANCEL"): ("PROCEEDING", [], ["CancelReceived"], "kept"),
    ("PROCEEDING", "SEND_1XX"): ("PROCEEDING", ["180"], [], []),
    ("PROCEEDING", "SEND_RELIABLE"): ("PROCEEDING", ["180"], [], [("TIMER_RELIABLE", T1)]),
    ("PROCEEDING", "TIMER_RELIABLE"): ("PROCEEDING", ["180"], [], [("TIMER_RELIABLE", 2 * T1)]),
    ("PROCEEDING", "TIMER_PRACK"): ("PROCEEDING", [], ["PrackMissing"], []),
    ("PROCEEDING", "PRACK"): ("PROCEEDING", [], [], []),
    ("PROCEEDING", "SEND_2XX"): ("ACCEPTED", ["200"], [], [("TIMER_2XX", T1)]),
    ("PROCEEDING", "SEND_FINAL"): ("COMPLETED", ["486"], [], [("TIMER_G", T1)]),
    ("COMPLETED", "REQUEST"): ("COMPLETED", ["486"], [], "kept"),
    ("COMPLETED", "TIMER_G"): ("COMPLETED", ["486"], [], [("TIMER_G", 2 * T1)]),
    ("COMPLETED", "TIMER_H"): ("TERMINATED", [], [], []),
    ("COMPLETED", "ACK"): ("CONFIRMED", [], [], [("TIMER_I", T4)]),
    ("CONFIRMED", "TIMER_I"): ("TERMINATED", [], [], []),
    ("ACCEPTED", "REQUEST"): ("ACCEPTED", ["200"], [], "kept"),
    ("ACCEPTED", "TIMER_2XX"): ("ACCEPTED", ["200"], [], [("TIMER_2XX", 2 * T1)]),
    ("ACCEPTED", "ACK_2XX"): ("ACKNOWLEDGED", [], ["AckReceived"], [("TIMER_L", LIFE)]),
    ("ACCEPTED", "TIMER_L"): ("TERMINATED", [], ["AckMissing"], []),
    ("ACKNOWLEDGED", "TIMER_L"): ("TERMINATED", [], [], []),
}
SERVER_NON_INVITE: dict[tuple[str, str], Effect] = {
    ("TRYING", "START"): ("TRYING", [], ["RequestReceived"], [("TIMER_J", LIFE)]),
    ("TRYING", "SEND_FINAL"): ("COMPLETED", ["200"], [], [("TIMER_J", LIFE)]),
    ("TRYING", "TIMER_J"): ("TERMINATED", [], [], []),
    ("COMPLETED", "REQUEST"): ("COMPLETED", ["200"], [], "kept"),
    ("COMPLETED", "TIMER_J"): ("TERMINATED", [], [], []),
    # RFC 4320 §4.2: an answer after 64*T1 is dropped, not an error of the TU.
    ("TERMINATED", "SEND_FINAL"): ("TERMINATED", [], [], []),
}

MACHINES = {
    "client_invite": (client_invite.TRANSITIONS, CLIENT_INVITE),
    "client_non_invite": (client_non_invite.TRANSITIONS, CLIENT_NON_INVITE),
    "server_invite": (server_invite.TRANSITIONS, SERVER_INVITE),
    "server_non_invite": (server_non_invite.TRANSITIONS, SERVER_NON_INVITE),
}
# How each machine gets from its first state into another.
PATHS: dict[str, dict[str, list[Input]]] = {
    "client_invite": {
        "CALLING": [],
        "PROCEEDING": [Input.RECEIVE_1XX],
        "COMPLETED": [Input.RECEIVE_FINAL],
        "ACCEPTED": [Input.RECEIVE_2XX],
        "TERMINATED": [Input.TIMER_B],
    },
    "client_non_invite": {
        "TRYING": [],
        "PROCEEDING": [Input.RECEIVE_1XX],
        "COMPLETED": [Input.RECEIVE_FINAL],
        "TERMINATED": [Input.TIMER_F],
    },
    "server_invite": {
        "PROCEEDING": [],
        "COMPLETED": [Input.SEND_FINAL],
        "CONFIRMED": [Input.SEND_FINAL, Input.ACK],
        "ACCEPTED": [Input.SEND_2XX],
        "ACKNOWLEDGED": [Input.SEND_2XX, Input.ACK_2XX],
        "TERMINATED": [Input.SEND_FINAL, Input.TIMER_H],
    },
    "server_non_invite": {
        "TRYING": [],
        "COMPLETED": [Input.SEND_FINAL],
        "TERMINATED": [Input.TIMER_J],
    },
}
PAIRS = [(machine, state, event.name) for machine, paths in PATHS.items() for state in paths for event in Input]
RESPONSES = {Input.SEND_1XX: 180, Input.SEND_RELIABLE: 180, Input.SEND_2XX: 200, Input.SEND_FINAL: 486}
RECEIVED = {Input.RECEIVE_1XX: 180, Input.RECEIVE_2XX: 200, Input.RECEIVE_FINAL: 486}


class Stage:
    """One transaction in the state wanted, with nothing else around it."""

    def __init__(self, machine: str, state: str) -> None:
        """Bring a transaction of the machine into the state."""
        self.box = Outbox()
        self.heap: DeadlineHeap[ClientTransaction | ServerTransaction] = DeadlineHeap()
        self.clients = ClientTransactions(self.box, self.heap, OwnPlaces(OURS, Timers(), {}), "x")
        self.servers = ServerTransactions(self.box, self.heap, Timers(), "x")
        method = "OPTIONS" if "non_invite" in machine else "INVITE"
        got = parse_datagram(request(method))
        assert isinstance(got, Request)
        self.request = got
        self.tx: ClientTransaction | ServerTransaction
        if machine.startswith("client"):
            self.tx = self.clients.start(outgoing(method), "z9hG4bKours", None, NOW)
        else:
            self.tx = ServerTransaction("key", got, PEER, PEER, Timers())
            self.servers.start(self.tx, got.headers.get("via") or "", NOW)
            self.tx.wire = b"SIP/2.0 180 Ringing\r\n\r\n"
        for step in PATHS[machine][state]:
            assert self.feed(step), step
        assert self.tx.state.name == state
        self.box.datagrams = []
        self.box.events = []

    def feed(self, event: Input) -> bool:
        """Feed one input with the message it goes with."""
        tx = self.tx
        if event.name.startswith("TIMER_") and (tx.state, event) in tx.table:
            if event is Input.TIMER_RELIABLE:
                # One state serves both with and without a response that waits.
                self.feed(Input.SEND_RELIABLE)
                self.box.datagrams.clear()
            # It is popped from the heap when it fires.
            self.heap.cancel(tx)
            self.heap.pop_lingering(inf)
        if isinstance(tx, ServerTransaction):
            if event in RESPONSES:
                status = RESPONSES[event] if tx.method == "INVITE" else 200
                tx.wire = f"SIP/2.0 {status} Whatever\r\n\r\n".encode()
            return self.servers.step(tx, event, self.request, NOW)
        if event is Input.CANCEL:
            tx.cancel = b"CANCEL sip:bob@192.0.2.2 SIP/2.0\r\n\r\n"
        if event not in RECEIVED:
            return self.clients.step(tx, event, None, NOW)
        # Each 2xx is of another fork, so that each is news.
        got = parse_datagram(answer(request(), RECEIVED[event], to_tag=f"fork{len(tx.acks or ())}"))
        assert isinstance(got, Response)
        return self.clients.step(tx, event, got, NOW)

    def timers(self) -> list[tuple[str, float]]:
        """Take all timers, earliest first."""
        found = []
        while (when := self.heap.next_deadline()) is not None:
            due = self.heap.pop_due(when)
            fired = [due] if due is not None else self.heap.pop_lingering(when)
            assert fired
            found += [(letter.name, when - NOW) for _, letter in fired]
        return found


@pytest.mark.parametrize(("machine", "state", "name"), PAIRS)
def test_pair(machine: str, state: str, name: str) -> None:
    """Every pair of state and input does what its row says, and without a row it does nothing."""
    table, expected = MACHINES[machine]
    came_with = Stage(machine, state).timers()
    stage = Stage(machine, state)
    effect = expected.get((state, name))
    assert ((State[state], Input[name]) in table) == (effect is not None)
    if effect is None:
        effect = (state, [], [], "kept")
        assert not stage.feed(Input[name])
    else:
        assert stage.feed(Input[name])
    after, sent, events, timers = effect
    assert stage.tx.state.name == after
    assert [first_line(data) for data, _ in stage.box.datagrams] == sent
    assert [type(event).__name__ for event in stage.box.events] == events
    assert stage.timers() == (came_with if timers == "kept" else timers)


@pytest.mark.parametrize("machine", MACHINES)
def test_tables_have_no_row_beside_the_states_that_can_be_reached(machine: str) -> None:
    """No row starts in a state the machine never enters, and every state it enters is walked here."""
    table, _ = MACHINES[machine]
    entered = {state.name for state, _ in table} | {state.name for state, _ in table.values()}
    assert entered == set(PATHS[machine])


@pytest.mark.parametrize("machine", MACHINES)
def test_terminated_transactions_are_in_no_index(machine: str) -> None:
    """Whoever reaches Terminated is forgotten by every index, and has no timer."""
    stage = Stage(machine, "TERMINATED")
    assert stage.tx.timer == 0
    assert not stage.clients.live
    assert not stage.clients.waiting
    assert not stage.clients.accepted
    assert not stage.servers.live
    assert not stage.servers.merges
    assert not stage.servers.acks
    assert stage.servers.octets == 0


def test_vocabulary_is_used() -> None:
    """Every input and every action stands in some table."""
    tables = [table for table, _ in MACHINES.values()]
    assert {event for table in tables for _, event in table} == set(Input)
    assert {action for table in tables for _, actions in table.values() for action in actions} == set(Action)
