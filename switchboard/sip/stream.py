"""Messages out of a byte stream (TCP, TLS): framing by Content-Length, keep-alives, hard limits."""

from __future__ import annotations

import re
from typing import Final

from switchboard.sip.errors import ParseError
from switchboard.sip.message import MAX_BODY, MAX_HEAD, Message, content_length, read_head, refusal

_BLANKS: Final = re.compile(rb"(?:\r\n)+")
_END: Final = b"\r\n\r\n"


class StreamFramer:
    """Cut a stream into messages (RFC 3261 §18.3).

    The first fault ends it for good: after a wrong length nothing that follows can be trusted, so the
    connection is to be closed. `failure` holds that fault as soon as it is known; `feed` raises it once,
    after the messages before it have been returned. `pings` counts CRLF CRLF keep-alives (RFC 5626 §3.5.1).
    """

    __slots__ = (
        "_blanks",
        "_buffer",
        "_head_size",
        "_message",
        "_raised",
        "_scanned",
        "_total",
        "failure",
        "pings",
    )

    def __init__(self) -> None:
        """Start with an empty buffer."""
        self.pings = 0
        self.failure: ParseError | None = None
        self._raised = False
        self._buffer = bytearray()
        self._scanned = 0
        self._blanks = 0
        self._message: Message | None = None
        self._head_size = 0
        self._total = 0

    @property
    def waiting(self) -> bool:
        """Whether a part of a message is here, and the rest is awaited."""
        return bool(self._buffer)

    def feed(self, data: bytes, most: int = 0) -> list[Message]:
        """Take octets and return the messages they complete; raises ParseError once, then returns nothing.

        With `most` no more than so many are returned; where there are that many, the next call may return the rest.
        """
        messages: list[Message] = []
        if self.failure is None:
            self._buffer += data
            try:
                while (not most or len(messages) < most) and (message := self._next()) is not None:
                    messages.append(message)
            except ParseError as error:
                self.failure = error
                self._buffer.clear()
        if self.failure is not None and not messages and not self._raised:
            self._raised = True
            raise self.failure
        return messages

    def close(self) -> ParseError | None:
        """Tell what was cut off when the peer closed the stream, None when nothing was."""
        message, rest = self._message, len(self._buffer)
        self._buffer.clear()
        self._message = None
        if self.failure is not None or not rest:
            return None
        if message is not None:
            return refusal(message, "stream ended inside the body", "Content-Length", "RFC 3261 §18.3")
        return ParseError("stream ended inside a head", status=None, section="RFC 3261 §18.3")

    def _next(self) -> Message | None:
        """Return the next complete message, or None when more octets are needed."""
        if self._message is None:
            self._message = self._read_head()
        message = self._message
        if message is None or len(self._buffer) < self._total:
            return None
        message.raw = bytes(self._buffer[: self._total])
        message.body = message.raw[self._head_size :]
        del self._buffer[: self._total]
        self._message = None
        return message

    def _read_head(self) -> Message | None:
        """Parse the head at the front of the buffer once it is complete."""
        buffer = self._buffer
        self._skip_blanks()
        end = buffer.find(_END, self._scanned)
        if end < 0:
            self._scanned = max(0, len(buffer) - 3)
            if len(buffer) > MAX_HEAD:
                read_head(bytes(buffer[: buffer.rfind(b"\r\n")]))
                raise ParseError("head too large", status=513, section="RFC 3261 §21.5.7")
            return None
        message = read_head(bytes(buffer[:end]))
        size = content_length(message)
        if size is None:
            raise refusal(message, "missing on a stream", "Content-Length", "RFC 3261 §20.14")
        if size > MAX_BODY:
            raise refusal(message, "body too large", None, "RFC 3261 §21.4.11", status=413)
        self._scanned = self._blanks = 0
        self._head_size = end + 4
        self._total = self._head_size + size
        return message

    def _skip_blanks(self) -> None:
        """Drop empty lines between messages and count each pair as a keep-alive."""
        match = _BLANKS.match(self._buffer)
        if match is None:
            return
        size = match.end()
        # The export of the match pins the buffer; it must be gone before the buffer shrinks.
        del match
        del self._buffer[:size]
        self._scanned = 0
        self._blanks += size // 2
        self.pings += self._blanks // 2
        self._blanks %= 2
