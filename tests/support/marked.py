"""Telephone numbers that must not be found: phones that put theirs everywhere, and the search for them.

A marked phone writes its number into every field a peer could think of. `leaks` then searches whatever the other
side, the log or the disk got to see, in every form in which a number is likely to hide.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from bench.dialog import Call
from bench.phone import Dialled, Phone
from bench.rtp import RtpPort
from bench.transactions import Address
from bench.wire import Message

KEY_FILES = frozenset({"keys"})
"""Directories whose files hold random keys: nothing in them is derived from a number."""

_SUFFIX = 9
_SDES_CNAME = 1


# --- the search ---


def forms(number: str) -> dict[str, bytes]:
    """What to search for, by the name of the form; a prefix such as +86 changes none of them."""
    ascii_ = number.encode()
    found = {
        "plain": ascii_,
        f"last {_SUFFIX} digits": ascii_[-_SUFFIX:],
        "reversed": ascii_[::-1],
        "percent-escaped": "".join(f"%{octet:02x}" for octet in ascii_).encode(),
        "hexadecimal": ascii_.hex().encode(),
        "UTF-16": number.encode("utf-16-le"),
        "full width": "".join(chr(0xFF10 + int(digit)) for digit in number).encode(),
        "BCD": bytes.fromhex(f"{number}f"[: len(number) // 2 * 2 + 2]),
        "telephone BCD": _swapped(number),
        "integer, big endian": int(number).to_bytes(5, "big"),
        "integer, little endian": int(number).to_bytes(5, "little"),
    }
    for separator in "- .":
        found[f"grouped by {separator!r}"] = separator.join((number[:3], number[3:7], number[7:])).encode()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + ascii_)
        found[f"base64 at {shift}"] = text[4 if shift else 0 : (len(ascii_) + shift) // 3 * 4]
    for spelling in (number, f"+86{number}", f"86{number}", f"0{number}"):
        for name in ("md5", "sha1", "sha256", "blake2b"):
            digest = hashlib.new(name, spelling.encode())
            found[f"{name} of {spelling}"] = digest.digest()[:16]
            found[f"{name} of {spelling} in hex"] = digest.hexdigest()[:32].encode()
    return found


def _swapped(number: str) -> bytes:
    even = number if len(number) % 2 == 0 else f"{number}f"
    return bytes.fromhex("".join(even[at + 1] + even[at] for at in range(0, len(even), 2)))


def leaks(numbers: Iterable[str], evidence: Mapping[str, bytes]) -> list[str]:
    """Where which of the numbers stands, in which form; empty when none is found anywhere."""
    found = []
    for number in numbers:
        for form, needle in forms(number).items():
            for place, data in evidence.items():
                at = data.find(needle)
                if at < 0 and form in ("percent-escaped", "hexadecimal"):
                    at = data.lower().find(needle)
                if at >= 0:
                    context = data[max(0, at - 40) : at + len(needle) + 20]
                    found.append(f"{number} ({form}) in {place}: {context!r}")
    return found


def spoken(words: Iterable[str], evidence: Mapping[str, bytes]) -> list[str]:
    """Where which of these words stands as it is: addresses, names."""
    return [f"{word} in {place}" for word in words for place, data in evidence.items() if word.encode() in data]


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory but the keys, and all names as evidence of their own."""
    found, names = {}, []
    for path in sorted(directory.rglob("*")):
        place = path.relative_to(directory)
        names.append(str(place))
        if path.is_file() and not KEY_FILES & set(place.parts):
            found[f"file {place}"] = path.read_bytes()
    return {**found, "file names": "\n".join(names).encode()}


# --- the phones ---


class MarkedPort(RtpPort):
    """An RTP port that keeps every datagram it gets, and tells its owner's name by RTCP."""

    def __init__(self) -> None:
        """Create an unbound port; use `open`."""
        super().__init__()
        self.datagrams: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep one datagram, whatever it is."""
        self.datagrams.append(data)
        super().datagram_received(data, addr)

    def tell_name(self, name: str) -> None:
        """RTCP source description with this CNAME (RFC 3550 6.5), and RTP with it in a header extension."""
        assert self._transport is not None
        assert self.remote is not None
        item = bytes((_SDES_CNAME, len(name))) + name.encode() + b"\0"
        item += bytes(-len(item) % 4)
        source = self.ssrc.to_bytes(4, "big")
        report = b"\x80\xc9\x00\x01" + source
        report += b"\x81\xca" + (1 + len(item) // 4).to_bytes(2, "big") + source + item
        self._transport.sendto(report, self.remote)
        self._transport.sendto(report, (self.remote[0], self.remote[1] + 1))
        extension = name.encode() + bytes(-len(name) % 4)
        head = bytes((0x90, self.payload_type)) + self._sequence.to_bytes(2, "big")
        head += (self._timestamp & 0xFFFFFFFF).to_bytes(4, "big") + source
        head += b"\xbe\xde" + (len(extension) // 4).to_bytes(2, "big") + extension
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._transport.sendto(head + self._audio(), self.remote)
        self.sent += 1


class MarkedCall(Call):
    """A call of a marked phone: its tag and its SDP bear the number too."""

    def __init__(self, endpoint: object, rtp: RtpPort, contact: str, target: Address, *, outgoing: bool) -> None:
        """Create an idle call."""
        super().__init__(endpoint, rtp, contact, target, outgoing=outgoing)  # type: ignore[arg-type]
        if number := getattr(endpoint, "number", ""):
            self.local_tag = f"{number}-{self.local_tag}"
            self.origin, self.session_name = number, f"call of {number}"


class MarkedPhone(Phone):
    """A phone whose number stands in every message it sends, wherever a peer may write something."""

    call_type = MarkedCall
    rtp_type = MarkedPort

    @classmethod
    async def marked(cls, number: str, **options: object) -> Self:
        """Open it."""
        phone = await cls.open(number, **options)  # type: ignore[arg-type]
        endpoint = phone.endpoint
        endpoint.number = number  # type: ignore[attr-defined]
        plain_send, plain_via = endpoint.send, endpoint.add_via

        def send(message: Message, destination: Address) -> bytes:
            decorate(message, number, phone.address)
            return plain_send(message, destination)

        def add_via(message: Message, branch: str = "") -> None:
            plain_via(message, branch)
            if not branch:
                name, value = message.headers[0]
                message.headers[0] = (name, value.replace("branch=z9hG4bK", f"branch=z9hG4bK{number}."))

        endpoint.send, endpoint.add_via = send, add_via  # type: ignore[method-assign]
        return phone  # type: ignore[return-value]

    def dial_marked(self, number: str, **shows: object) -> object:
        """Dial with the own number in every field of the INVITE."""
        mine = self.user
        return self.dial(
            number,
            Dialled(
                display=f"caller {mine}",
                call_id=f"{mine}-{id(self):x}-{len(self.calls)}@{self.address[0]}",
                origin=mine,
                session_name=f"call of {mine}",
                **shows,  # type: ignore[arg-type]
            ),
        )

    def heard_bytes(self) -> dict[str, bytes]:
        """Everything that reached this phone: SIP, RTP and RTCP on the RTP port."""
        audio = [data for call in self.calls.values() for data in getattr(call.rtp, "datagrams", ())]
        return {f"SIP to {self.user}": self.received_bytes(), f"RTP to {self.user}": b"\0".join(audio)}


def decorate(message: Message, number: str, address: Address) -> None:
    """Write a number into a message, wherever RFC 3261 and its extensions have room for one."""
    if message.get("x-number"):
        return  # sent again
    uri = f"sip:+86{number}@{address[0]}:{address[1]}"
    rewritten = {"user-agent": f"phone of {number}", "server": f"phone of {number}"}
    message.headers = [(name, rewritten.get(name.lower(), value)) for name, value in message.headers]
    message.headers += [
        ("X-Number", number),
        ("P-Asserted-Identity", f'"{number}" <{uri}>'),
        ("P-Asserted-Identity", f"<tel:+86{number}>"),
        ("P-Preferred-Identity", f"<{uri}>"),
        ("Remote-Party-ID", f'"{number}" <{uri}>;party=calling;privacy=off'),
        ("Diversion", f"<{uri}>;reason=unconditional"),
        ("History-Info", f"<{uri}>;index=1"),
        ("Call-Info", f"<http://127.0.0.1/{number}.png>;purpose=icon"),
        ("Alert-Info", f"<http://127.0.0.1/{number}.wav>"),
        ("Subject", f"call of {number}"),
        ("Organization", f"company of {number}"),
        ("Reason", f'Q.850;cause=16;text="{number} hung up"'),
        ("User-to-User", f"{number.encode().hex()};encoding=hex"),
    ]
    if not message.is_request:
        # Of the far side alone: in a request it would come back as a route of the caller's own.
        message.headers.append(("Record-Route", f"<sip:{number}@{address[0]}:{address[1]};lr>"))
        message.start += f" from {number}"
        message.headers.append(("Warning", f'399 {number} "no answer from {number}"'))
        message.headers = [
            (name, f'"{number}" {value}' if name == "To" and value.startswith("<") else value)
            for name, value in message.headers
        ]
    if message.body.startswith(b"v=0"):
        message.body = _marked_sdp(message.body, number)


def _marked_sdp(body: bytes, number: str) -> bytes:
    lines = body.decode().split("\r\n")
    at = next(place for place, line in enumerate(lines) if line.startswith("s=")) + 1
    lines[at:at] = [f"i={number}", f"u=http://127.0.0.1/{number}", f"e={number}@127.0.0.1", f"p=+86 {number}"]
    attributes = [f"a=label:{number}", f"a=ssrc:1 cname:{number}", f"a=mid:{number}", f"a=x-number:{number}"]
    return "\r\n".join([*lines[:-1], *attributes, ""]).encode()
