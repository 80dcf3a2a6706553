"""One tree of errors: whose fault it is, and which status the peer is owed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from switchboard.sip.message import Request


class SipError(Exception):
    """The base of every error of the SIP core; only its subclasses are raised."""

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        header: str | None = None,
        section: str | None = None,
    ) -> None:
        """Keep the reason, the status owed (None: nothing is to be answered), the header and the section."""
        if type(self) is SipError:
            raise TypeError("SipError is abstract: raise ParseError, ProtocolError or LocalError")
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.header = header
        self.section = section

    def __str__(self) -> str:
        """Read as one line: the header at fault, the reason and the section."""
        where = f"{self.header}: " if self.header else ""
        cite = f" ({self.section})" if self.section else ""
        return f"{where}{self.reason}{cite}"


class ParseError(SipError):
    """The peer sent what cannot be represented; `partial` is the request as far as it could be read."""

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = 400,
        header: str | None = None,
        section: str | None = None,
        partial: Request | None = None,
    ) -> None:
        """Keep what SipError keeps and the partial request an answer can be built from."""
        super().__init__(reason, status=status, header=header, section=section)
        self.partial = partial


class ProtocolError(SipError):
    """The peer sent a message that can be read but breaks a rule; found by `validate`."""


class LocalError(SipError):
    """Our own code asked for something that must never be sent."""
