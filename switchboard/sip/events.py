"""What the core tells the transaction user (TU)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from switchboard.sip.message import Request, Response
    from switchboard.sip.outgoing import Address
    from switchboard.sip.transaction.client import ClientTransaction
    from switchboard.sip.transaction.server import ServerTransaction


class RequestReceived(msgspec.Struct, frozen=True, eq=False):
    """A new request, valid as far as RFC 3261 §8.2 can tell without knowing the TU; the TU must respond."""

    tx: ServerTransaction
    request: Request


class AckReceived(msgspec.Struct, frozen=True, eq=False):
    """The first ACK for a 2xx of ours, or (`tx` None) an ACK that belongs to nothing that is known."""

    request: Request
    tx: ServerTransaction | None


class AckMissing(msgspec.Struct, frozen=True, eq=False):
    """A 2xx of ours was not acknowledged within 64*T1: the TU ends the dialog (RFC 3261 §13.3.1.4)."""

    tx: ServerTransaction


class PrackMissing(msgspec.Struct, frozen=True, eq=False):
    """A reliable provisional response was not acknowledged within 64*T1: the TU answers the INVITE (RFC 3262 §3)."""

    tx: ServerTransaction


class CancelReceived(msgspec.Struct, frozen=True, eq=False):
    """The peer cancels this INVITE by `request`, which is answered; the TU must answer the INVITE 487."""

    tx: ServerTransaction
    request: Request


class ResponseReceived(msgspec.Struct, frozen=True, eq=False):
    """A 101-199, the first final response, or a 2xx to INVITE with a To tag not seen before."""

    tx: ClientTransaction
    response: Response


class TransactionTimeout(msgspec.Struct, frozen=True, eq=False):
    """No final response came in time: to be treated as a 408 (RFC 3261 §8.1.3.1)."""

    tx: ClientTransaction


class TransactionFailed(msgspec.Struct, frozen=True, eq=False):
    """The transport could not deliver the request: to be treated as a 503 (RFC 3261 §8.1.3.1)."""

    tx: ClientTransaction


class FlowLost(msgspec.Struct, frozen=True, eq=False):
    """A connection has ended; whoever was reached over it is not any more (RFC 5626 §5.3)."""

    address: Address


Event: TypeAlias = (
    RequestReceived
    | AckReceived
    | AckMissing
    | PrackMissing
    | CancelReceived
    | ResponseReceived
    | TransactionTimeout
    | TransactionFailed
    | FlowLost
)
