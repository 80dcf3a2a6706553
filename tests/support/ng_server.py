"""The control port of an rtpengine of our own making, which a test lets refuse, be silent, late or doubled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Self

from media.rtpengine.bencode import Plain, decode, encode

OK: Mapping[str, Plain] = {"result": "ok"}
UNKNOWN: Mapping[str, Plain] = {"result": "error", "error-reason": "Unknown call-id"}
REFUSED: Mapping[str, Plain] = {"result": "error", "error-reason": "No"}


class NgServer(asyncio.DatagramProtocol):
    """Answers the commands of the NG protocol; a cookie that it has seen is answered as before."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        """The commands carried out, in order, but for pings."""
        self.answers: dict[str, Mapping[str, Plain]] = {}
        """By command, what it is answered instead of the usual."""
        self.silent = False
        self.passes_over: set[str] = set()
        """Commands that it never answers."""
        self.copies = 1
        """Of each answer."""
        self.delay = 0.0
        self.six = True
        """Whether it has an interface on IPv6; if not, it gives ports on IPv4 instead."""
        self.listed: list[str] = []
        """Calls that it has, those of others included."""
        self._seen: dict[bytes, bytes] = {}
        self._ports = iter(range(30000, 60000, 2))
        self._places: dict[tuple[str, str], int] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, port: int = 0) -> Self:
        """Listens; at a port of the system's choice unless told."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        return self

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Nobody is there any more."""
        if self._transport is not None:
            self._transport.close()

    def names(self, tag: str | None = None) -> list[str]:
        """The names of the commands; of one party only."""
        return [each["command"] for each in self.told if tag is None or each.get("from-tag") == tag]

    def press(self, place: tuple[str, int], call: str, tag: str, event: int, duration: int = 0) -> None:
        """Reports a key of a party where keys are told; its duration in milliseconds."""
        assert self._transport is not None
        told = {"type": "DTMF", "callid": call, "source_tag": tag, "event": event, "duration": duration}
        self._transport.sendto(json.dumps(told).encode(), place)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """A command."""
        if self.silent:
            return
        cookie, _, body = data.partition(b" ")
        if cookie not in self._seen:
            command = decode(body)
            assert isinstance(command, dict)
            if command["command"] in self.passes_over:
                return
            self._seen[cookie] = cookie + b" " + encode(dict(self._answer(command)))
        for copy in range(self.copies):
            asyncio.get_running_loop().call_later(self.delay * (copy + 1), self._say, self._seen[cookie], addr)

    def _say(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(datagram, addr)

    def _answer(self, command: dict[str, Any]) -> Mapping[str, Plain]:
        name, call = command["command"], command.get("call-id", "")
        if name != "ping":
            self.told.append(command)
        if name in self.answers:
            return self.answers[name]
        match name:
            case "ping":
                return {"result": "pong"}
            case "list":
                return {"result": "ok", "calls": self.listed[: command["limit"]]}
            case "offer" | "answer":
                if call not in self.listed:
                    self.listed.append(call)
                tag = command.get("to-tag", "") if name == "offer" else command["from-tag"]
                port = self._places.setdefault((call, tag or "b"), 0) or next(self._ports)
                self._places[call, tag or "b"] = port
                return {"result": "ok", "sdp": _description(port, six=self.six and command["address family"] == "IP6")}
            case "delete" | "query" if call not in self.listed:
                return UNKNOWN
            case "delete":
                self.listed.remove(call)
            case "play media":
                return {"result": "ok", "duration": 40}
        return OK


def _description(port: int, *, six: bool) -> str:
    place = "IN IP6 2001:db8::9" if six else "IN IP4 192.0.2.9"
    return f"v=0\r\no=- 1 1 {place}\r\ns=-\r\nc={place}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
