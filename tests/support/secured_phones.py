"""Scenes with softphones of others that speak SRTP over TLS, and a carrier that does not; the same on either plane."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from bench.capture import Capture, Packet, Ports
from bench.phone import Phone
from bench.rtp import ALAW, share
from media.rtp.rtcp import parse_compound
from tests.support.certificates import Authority
from tests.support.pjsua import Softphone, softphone
from tests.support.ports import MEDIA_FIRST, MEDIA_LAST, free_port
from tests.support.sipp import Caller, carry, listening
from tests.support.sounds import Sound, read_wav
from tests.support.stage import together
from tests.support.switch import RunningSwitch

ANNA, BEN, CARL, DORA, EMIL = "800001", "800002", "800003", "800004", "800005"
POLICIES = {ANNA: "required", BEN: "optional", CARL: "optional", DORA: "required", EMIL: "required"}
SUITE = "AES_CM_128_HMAC_SHA1_80"
TONES = {ANNA: 880, BEN: 1040, DORA: 1200, CARL: 640}


class Place:
    """Where the switch listens, and who has signed its certificate."""

    def __init__(self, directory: Path) -> None:
        self.udp, self.tls = free_port(), free_port()
        self.authority = Authority(directory)
        self.pair = self.authority.sign("switch")

    def settings(self) -> dict[str, object]:
        """An account for each policy, and a number for each account."""
        host = "127.0.0.1"
        secure = {"certificate": str(self.pair.certificate), "key": str(self.pair.key)}
        return {
            "sip": {
                "listen": [
                    {"host": host, "port": self.udp},
                    {"host": host, "port": self.tls, "transport": "tls", **secure},
                ]
            },
            "accounts": [
                {"user": user, "password": f"secret-{user}", "srtp": policy} for user, policy in POLICIES.items()
            ],
            "masks": [],
            "numbers": [
                *({"number": number_of(user), "target": f"aor:{user}", "record": user == ANNA} for user in POLICIES),
                {"number": "4004", "flow": "hold_music"},
            ],
            "limits": {"ring_timeout": "8s", "drain": "1s"},
        }

    def phone(self, directory: Path, user: str, srtp: str, by: str = "") -> AbstractAsyncContextManager[Softphone]:
        """A softphone of others."""
        port = self.tls if by else self.udp
        return softphone(
            directory, user, f"secret-{user}", ("127.0.0.1", port), tone=TONES[user], by=by,
            authority=self.authority.file if by else None, srtp=srtp,
        )  # fmt: skip


def number_of(user: str) -> str:
    """What rings an account."""
    return f"70{user[3:]}"


def loud(sound: Sound, hz: int) -> bool:
    """Whether a tone is nearly all that is heard, somewhere in it: at its beginning a jitter buffer fills."""
    samples = [int(sample) for sample in sound]
    return max(share(samples[at : at + 1600], hz) for at in range(0, len(samples) - 1599, 400)) > 0.9


async def answers(phone: Softphone) -> None:
    """Take the call that rings."""
    await phone.event("incoming")
    phone.tell("answer")
    await phone.event("confirmed")


# --- a carrier in clear reaches a phone that requires SRTP ---


async def anna_talks(anna: Softphone) -> None:
    """Answers, holds, comes back, and hears the far side until it hangs up, long enough for reports."""
    await answers(anna)
    anna.tell("expect 40")
    await anna.event("received")
    anna.tell("hold")
    await anna.event("held")
    anna.tell("unhold")
    assert (await anna.event("media"))["secured"]
    ended = await anna.event("ended", within=15)
    assert ended["received"] > 100
    assert ended["lost"] == 0
    assert ended["reports"] >= 1, "our SRTCP told it something"


async def a_carrier_in_clear(place: Place, switch: RunningSwitch, tmp_path: Path) -> None:
    """SIPp and pjsua2 hear each other through hold and resume; only SIPp's leg can be understood on the wire."""
    caller = Caller("13911110001", "", talk_ms=6500)
    ports = Ports(MEDIA_FIRST, MEDIA_LAST)
    with listening() as captured, Capture([ports]) as wire:
        async with place.phone(tmp_path, ANNA, "mandatory", "tls") as anna:
            await together(anna_talks(anna), carry(caller, ("127.0.0.1", place.udp), tmp_path, number_of(ANNA)))
            traffic = anna.traffic()
    assert captured[0].by(caller).hears(TONES[ANNA], 0.5, skip=0.1)
    assert max(map(abs, anna.heard())) > 500, "the carrier spoke"
    check_wire(list(wire.packets()), caller, anna_ports(traffic))
    await switch.nothing_left()
    await switch.eventually(lambda: bool(recordings(switch)))
    (file,) = recordings(switch)
    recorded = read_wav(file)
    assert max(abs(recorded[:, 0])) > 500, "the carrier is on the left"
    assert loud(recorded[:, 1], TONES[ANNA])
    legs = switch.rows("select role, secured, lost, strangers, mos_out from legs order by role")
    assert [(leg["role"], leg["secured"]) for leg in legs] == [("agent", SUITE), ("caller", "")]
    assert all(leg["lost"] == leg["strangers"] == 0 for leg in legs)
    assert legs[0]["mos_out"] is not None, "its SRTCP told us something"
    assert switch.metrics()["media_unauthentic_total"] == 0


def recordings(switch: RunningSwitch) -> list[Path]:
    """Those that are whole."""
    files = (switch.store / "recordings").rglob("*.wav")
    return [path for path in files if not path.name.endswith(".part.wav")]


def anna_ports(traffic: str) -> set[int]:
    """The media ports that the phone has shown."""
    shown = {int(port) for port in re.findall(r"^m=audio (\d+) RTP/SAVP ", traffic, re.MULTILINE)}
    theirs = {port for port in shown if not MEDIA_FIRST <= port <= MEDIA_LAST}
    assert theirs, traffic[-3000:]
    return theirs


def check_wire(packets: list[Packet], caller: Caller, ports: set[int]) -> None:
    """What passed between switch and phone is of the length of SRTP, sounds like nothing, and its RTCP is sealed."""
    said = [packet.payload for packet in packets if packet.source[1] in ports]
    heard = [packet.payload for packet in packets if packet.destination[1] in ports]
    assert len(said) > 100
    assert len(heard) > 100
    # The phone sends 20 ms a packet, SIPp's capture has 30.
    for way, octets in ((said, 160), (heard, 240)):
        assert {len(payload) for payload in way if payload[1] & 127 == 8} == {12 + octets + 10}
    plain = [p.payload[12:] for p in packets if p.destination[1] == caller.media_port and p.payload[1] & 127 == 8]
    sealed = b"".join(payload[12:-10] for payload in said)
    # The same tone, before and behind the switch.
    assert tone_in(b"".join(plain), TONES[ANNA]) > 0.9
    assert tone_in(sealed, TONES[ANNA]) < 0.1
    relayed = {p.payload[12:] for p in packets if p.source[1] == caller.media_port and len(set(p.payload[12:])) > 20}
    assert relayed
    assert relayed.isdisjoint({payload[12:-10] for payload in heard})
    beside = {port + 1 for port in ports}
    reports = [p.payload for p in packets if p.destination[1] in beside or p.source[1] in beside]
    assert len(reports) >= 2
    assert all(payload[1] in (200, 201) and parse_compound(payload) is None for payload in reports)


def tone_in(codes: bytes, hz: int) -> float:
    """The largest share of a tone in a fifth of a second of A-law."""
    samples = [ALAW[code] for code in codes]
    return max(share(samples[at : at + 1600], hz) for at in range(0, len(samples) - 1599, 800))


# --- phones among themselves ---


async def a_flow_is_heard(dora: Softphone) -> None:
    """What a flow plays to a secured leg."""
    dora.tell("call sip:4004@switchboard.local")
    await dora.event("confirmed")
    assert max(abs(await dora.listen(seconds=1.0))) > 500
    dora.tell("hangup")
    await dora.event("ended")


async def both_secured(dora: Softphone, ben: Softphone, directory: Path) -> None:
    """TLS and mandatory on one side, UDP and optional on the other: each leg has keys of its own."""
    dora.tell(f"call sip:{number_of(BEN)}@switchboard.local")
    await answers(ben)
    await dora.event("confirmed")
    for phone in (dora, ben):
        phone.tell("expect 25")
        await phone.event("received")
    assert loud(await ben.listen(), TONES[DORA])
    assert loud(await dora.listen(1), TONES[BEN])
    dora.tell("hangup")
    for phone in (dora, ben):
        assert (await phone.event("ended"))["lost"] == 0
        assert phone.saw("media")[-1]["secured"] or phone is ben
    keys = [set(re.findall(r"^a=crypto:.*inline:(\S+)", phone.traffic(), re.MULTILINE)) for phone in (dora, ben)]
    assert all(keys)
    assert not keys[0] & keys[1]


async def one_passes_over_the_keys(place: Place, dora: Softphone, carl: Phone) -> None:
    """A phone that knows no SRTP is heard in clear where that is allowed; the other leg stays secured."""
    dora.tell(f"call sip:{number_of(CARL)}@switchboard.local")
    call = await carl.next_call()
    await call.confirmed()
    await dora.event("confirmed")
    call.rtp.play(TONES[CARL])
    await call.hears(TONES[DORA])
    assert loud(await dora.listen(2), TONES[CARL])
    await call.hang_up()
    await dora.event("ended")


async def phones_by_their_policies(place: Place, switch: RunningSwitch, tmp_path: Path) -> None:
    """Required meets optional, optional meets a phone without SRTP, and required refuses that phone."""
    target = ("127.0.0.1", place.udp)

    async def plain(user: str) -> Phone:
        return await Phone.open(user, target=target, password=f"secret-{user}", domain="switchboard.local", t1=0.1)

    async with (
        place.phone(tmp_path, DORA, "mandatory", "tls") as dora,
        place.phone(tmp_path, BEN, "optional") as ben,
        await plain(CARL) as carl,
        await plain(EMIL) as emil,
    ):
        await carl.register()
        await emil.register()
        await a_flow_is_heard(dora)
        await both_secured(dora, ben, tmp_path)
        await one_passes_over_the_keys(place, dora, carl)
        assert await (await emil.dial(number_of(CARL))).decided() == 488
        dora.tell(f"call sip:{number_of(EMIL)}@switchboard.local")
        assert (await dora.event("ended"))["status"] == 488
        assert carl.complaints == emil.complaints == []
    await switch.nothing_left()
    found = switch.rows(
        "select l.role, l.peer, l.secured from legs l join calls c on c.id = l.call_id"
        " where l.sip_status = 200 and c.trunk = 'phones' order by c.started_us, l.place"
    )
    # The last one has answered in clear what was offered by SRTP alone.
    assert [leg["secured"] for leg in found] == [SUITE, SUITE, SUITE, SUITE, "", ""]
    assert switch.metrics()["media_unauthentic_total"] == 0
    log = switch.log()
    for phone in (dora, ben):
        for key in re.findall(r"inline:([\w+/=]{20,})", phone.traffic()):
            assert key not in log
