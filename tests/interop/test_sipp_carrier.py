"""SIPp as a gateway that asks for a password, itself or by its proxy, and whose re-INVITE ours meets; as an agent that
leads back to us.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Phone
from bench.sipp import Sipp
from tests.support.ports import MEDIA_RANGE, free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

HERE = Path(__file__).parent
CARRIER = "127.0.0.2"
NUMBER, EXTENSION = "4008001234", "800001"
REAL, USER, PASSWORD, REALM = "13700000000", "4001", "open sesame", "carrier.example"
ASKING, LEADING_BACK = free_port(), free_port()


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A carrier that brings the calls, and one with a password behind the number; any codec passes."""
    need_sipp()
    with running_switch(
        tmp_path_factory.mktemp("switch"),
        trunks=[
            {"name": "carrier", "from": [CARRIER]},
            {
                "name": "asking",
                "from": [f"127.0.0.1:{ASKING}"],
                "gateways": [{"to": f"127.0.0.1:{ASKING}"}],
                "login": {"user": USER, "password": PASSWORD, "realm": REALM},
            },
        ],
        accounts=[],
        numbers=[
            {"number": NUMBER, "mask": True},
            {"number": "704", "target": f"sip:agent@{CARRIER}:{LEADING_BACK}"},
        ],
        masks=[
            {
                "number": NUMBER,
                "extension": EXTENSION,
                "real": REAL,
                "trunk": "asking",
                "shown": "02177770001",
            }
        ],
        media={"ports": MEDIA_RANGE, "codecs": ["PCMA", "PCMU", "any"], "silence": "30s"},
        limits={"ring_timeout": "8s", "drain": "1s"},
    ) as running:
        yield running


async def over(sipp: Sipp) -> None:
    """It has played its one call, in which nothing may go wrong."""
    await asyncio.to_thread(sipp.wait, 25.0, lambda row: None)
    sipp.__exit__(None, None, None)
    totals = sipp.totals()
    assert (totals.successful, totals.failed, totals.unexpected) == (1, 0, 0), totals


async def test_a_reinvite_that_meets_another_and_is_challenged(switch: RunningSwitch, tmp_path: Path) -> None:
    """A talk in G.729 gets music: both offers at once get 491, the gateway's is first; ours has the right password."""
    gateway = Sipp(HERE / "sipp_asked_again.xml", tmp_path, ASKING, next_media_port(), arguments=("-m", "1"))
    caller = Sipp(
        HERE / "sipp_takes_another_codec.xml", tmp_path, free_port(), next_media_port(),
        f"{switch.target[0]}:{switch.target[1]}", ("-s", f"{NUMBER}*{EXTENSION}", "-m", "1", "-l", "1", "-r", "1"),
        CARRIER,
    )  # fmt: skip
    with gateway, caller:
        await together(over(gateway), over(caller))


def proof(nonce: str, uri: str) -> str:
    """The digest of an INVITE under a nonce without qop, as RFC 2069 has it."""
    own, what = (hashlib.md5(text.encode()).hexdigest() for text in (f"{USER}:{REALM}:{PASSWORD}", f"INVITE:{uri}"))
    return hashlib.md5(f"{own}:{nonce}:{what}".encode()).hexdigest()


async def test_a_proxy_that_asks_and_an_offer_that_is_pending(switch: RunningSwitch, tmp_path: Path) -> None:
    """407 is answered at the start, under a nonce gone stale, and in the dialog; after 491 ours comes again in time."""
    scenario, place = (HERE / "sipp_proxy_asks.xml").read_text(), f"127.0.0.1:{ASKING}"
    for nonce, user in (("first", REAL), ("second", REAL), ("third", "carrier")):
        scenario = scenario.replace(f"@{nonce}@", proof(nonce, f"sip:{user}@{place}"))
    played = tmp_path / "sipp_proxy_asks.xml"
    played.write_text(scenario)
    gateway = Sipp(played, tmp_path, ASKING, next_media_port(), arguments=("-m", "1"))
    caller = Sipp(
        HERE / "sipp_takes_another_codec.xml", tmp_path, free_port(), next_media_port(),
        f"{switch.target[0]}:{switch.target[1]}", ("-s", f"{NUMBER}*{EXTENSION}", "-m", "1", "-l", "1", "-r", "1"),
        CARRIER,
    )  # fmt: skip
    with gateway, caller:
        await together(over(gateway), over(caller))


async def test_a_call_that_is_led_back(switch: RunningSwitch, tmp_path: Path) -> None:
    """Its own Via is found in it (RFC 3261 §16.3): 482 for what came back, and so for the caller."""
    agent = Sipp(
        HERE / "sipp_sends_back.xml", tmp_path, LEADING_BACK, next_media_port(), "",
        ("-m", "1", "-key", "switch", f"{switch.target[0]}:{switch.target[1]}"), CARRIER,
    )  # fmt: skip
    async with await Phone.open("13911110000", host=CARRIER, target=switch.target) as caller:
        with agent:
            call = await caller.dial("704")
            assert await call.decided() == 482
            await over(agent)
    await switch.nothing_left()
