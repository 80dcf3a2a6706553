"""Nothing that a caller must keep to itself gets anywhere: telephone numbers behind X, and digits keyed as secrets.

The numbers are marked: phones write theirs into every field there is. All that goes over the wire to the other side is
captured, and all that the switch writes, prints and serves is searched; of sealed states also what is inside.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench.capture import Capture, Ports
from bench.phone import Answer, Behaviour, Call, Never, Refuse
from tests.support.backend import (
    RunningBackend,
    demonstration_backend,
)
from tests.support.command import command
from tests.support.evidence import evidence, sent_to, typed, words
from tests.support.keyed_secrets import (
    EXTENSIONS,
    MEDIA,
    PARTY_HOST,
    PIN,
    X,
    keys_heard,
    no_secret_is_kept_or_handed_on,
    recording_switch,
)
from tests.support.marked import MarkedPhone, MarkedPort, leaks, spoken
from tests.support.planes import Plane
from tests.support.ports import free_port
from tests.support.sounds import keyed, tone
from tests.support.switch import RunningSwitch

A, B, C = "13877665544", "13956781234", "13612345678"
"""A pair, and who calls an extension of B's; all of them marked."""
CALLER_HOST = "127.0.0.4"
EXTENSION = "345678"
SHOWN = "01088880000"


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Where the trunk leads, and where the agent is."""
    return {"party": free_port(), "agent": free_port()}


@pytest.fixture(scope="module")
def backend() -> Iterator[RunningBackend]:
    """The customer's own server."""
    with demonstration_backend() as running:
        yield running


@pytest.fixture(scope="module")
def switch(
    tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int], backend: RunningBackend, plane: Plane
) -> Iterator[RunningSwitch]:
    """A switch that logs all it can and records every talk."""
    with recording_switch(tmp_path_factory.mktemp("leaks"), ports, backend, plane) as running:
        yield running


# --- numbers ---


@dataclass(slots=True)
class Line:
    """Two marked phones and the switch between them."""

    switch: RunningSwitch
    caller: MarkedPhone
    party: MarkedPhone

    async def call(self, number: str, behaviour: Behaviour) -> tuple[Call, Call]:
        """Both ends of a call that is being treated."""
        self.party.behaviour = behaviour
        call: Call = await self.caller.dial_marked(number)  # type: ignore[misc]
        return call, await self.party.next_call()

    async def all_that_is_said(self, number: str) -> None:
        """Early media, tones, RTCP, INFO, UPDATE, re-INVITE, MESSAGE, OPTIONS; then the party hangs up."""
        call, far = await self.call(number, Answer(after=0.2, early=True))
        await call.answered()
        await far.confirmed()
        call.rtp.play(440)
        far.rtp.play(880)
        await far.hears(440)
        await call.hears(880)
        for one, phone in ((call, self.caller), (far, self.party)):
            assert isinstance(one.rtp, MarkedPort)
            one.rtp.tell_name(phone.user)
            assert (await one.info("5")).status == 200
            assert (await one.send("UPDATE")).status == 200
            assert (await one.reinvite("sendonly")).status == 200
            assert (await one.reinvite("sendrecv")).status == 200
            await one.send("MESSAGE", [("Content-Type", "text/plain")], f"call {phone.user} back".encode())
            await one.send("OPTIONS")
        await far.hears(440)
        await far.hang_up()
        await call.ended()

    async def refused(self, number: str, behaviour: Behaviour) -> None:
        """A redirection, a refusal, or a caller who gives up."""
        call, far = await self.call(number, behaviour)
        if isinstance(behaviour, Never):
            await call.ringing()
            assert await call.cancel() == 487
        assert await call.decided() >= 400
        await far.ended()


@asynccontextmanager
async def marked(switch: RunningSwitch, port: int, caller: str, party: str) -> AsyncIterator[Line]:
    """A caller, and a party where the trunk leads."""
    options: dict[str, object] = {"target": switch.target, "t1": 0.1}
    async with (
        await MarkedPhone.marked(caller, host=CALLER_HOST, **options) as one,
        await MarkedPhone.marked(party, host=PARTY_HOST, port=port, **options) as other,
    ):
        yield Line(switch, one, other)


async def test_no_number_is_told_to_anybody(switch: RunningSwitch, ports: dict[str, int]) -> None:
    """A pair through X both ways, a caller of an extension: neither side's number, nor its address, is anywhere."""
    await command(switch, "masks", "bind", X, "--kind", "axb", "--a", A, "--b", B, "--label", "flat 3")
    await command(switch, "masks", "bind", EXTENSIONS, EXTENSION, B, "--shown", SHOWN)
    for number, caller, party in (
        (X, A, B), (X, B, A), (f"{EXTENSIONS},{EXTENSION}", C, B),
    ):  # fmt: skip
        with Capture([Ports(switch.sip_port, switch.sip_port), MEDIA]) as capture:
            async with marked(switch, ports["party"], caller, party) as line:
                await line.all_that_is_said(number)
                for behaviour in (Refuse(302, "sorry"), Refuse(486, "sorry"), Never()):
                    await line.refused(number, behaviour)
        packets = list(capture.packets())
        to_caller, to_party = sent_to(packets, CALLER_HOST), sent_to(packets, PARTY_HOST)
        assert leaks([caller], to_caller), "each side does see its own number, so one can be found"
        assert leaks([party], to_party), "as above"
        audio = [packet for packet in packets if len(packet.payload) == 172]
        assert {packet.destination[0] for packet in audio} > {CALLER_HOST, PARTY_HOST}
        assert leaks([caller], to_party) + spoken([CALLER_HOST], to_party) == [], number
        assert leaks([party], to_caller) + spoken([PARTY_HOST], to_caller) == [], number
    await switch.nothing_left()
    await switch.eventually(lambda: len(switch.rows("select id from call_recordings")) == 3)
    found = await evidence(switch)
    assert sum(place.endswith(".wav") for place in found.places) == 3
    assert sum(place.startswith("file recordings") and place.endswith(".json") for place in found.places) == 3
    assert leaks([A, B, C], found.places) == []


# --- secrets ---


async def test_no_secret_is_kept_or_handed_on(
    plane: Plane, switch: RunningSwitch, ports: dict[str, int], backend: RunningBackend, tmp_path: Path
) -> None:
    """Keyed by RFC 4733, as tones, as both, and by INFO: known to the customer's own server and to nobody else."""
    await no_secret_is_kept_or_handed_on(plane, switch, ports, backend, tmp_path)


# --- that the searches find what they should ---


@pytest.mark.parametrize(
    "planted",
    [
        PIN.encode(), msgspec.msgpack.encode(list(PIN)), msgspec.msgpack.encode([int(digit) for digit in PIN]),
        json.dumps(list(PIN)).encode(), ",".join(PIN).encode(), f"pin of {PIN[2:]}".encode(),
    ],
)  # fmt: skip
def test_planted_keys_are_found(planted: bytes) -> None:
    """As one text, key by key, and its end."""
    assert typed([PIN], {"clean": b"11 digits 739146"}) == []
    assert typed([PIN], {"planted": b"\x93\xa3pin" + planted + b"\xc0"})


def test_planted_words_are_found() -> None:
    """For themselves, and not in an identifier."""
    assert words(["4821"], {"log": b'{"key": "4821"}'})
    assert words(["4821"], {"journal": b'["0193-4821-77", "14821", 4821.5, "2026-01-01T00:00:00.4821"]'}) == []


def test_planted_tones_are_found() -> None:
    """Also between speech, and as short as a key can be recognised; speech alone is none."""
    speech = tone(0.5, 440)
    assert keys_heard(np.concatenate([speech, keyed(PIN, on=0.04, off=0.06), speech])) == PIN
    assert keys_heard(speech) == ""
