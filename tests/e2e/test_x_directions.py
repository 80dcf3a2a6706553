"""X numbers between SIPp and SIPp: who reaches whom, what is shown, what is refused and how, the last minute."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import NamedTuple

from bench.sipp import Sipp
from tests.support.patience import PATIENCE
from tests.support.ports import free_port
from tests.support.sipp import Caller, carry, listening, need_sipp, next_media_port
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch
from tests.support.trunk import SERVICE, Line, World, line

SCENARIOS = Path(__file__).parent / "scenarios"
PAIR, ONE_WAY, CLOSED, OWNER, OWNER_AND_N, OWNER_AND_GROUP, TIMED = (line() for _ in range(7))
CLOSED_FLOW = "flow: closed\nstart: over\nnodes:\n  over: {type: hangup, cause: busy}\n"
"""What becomes of calls in the wrong direction is a matter of configuration."""
BINDINGS = f"""number,kind,a,b,n,group,direction,limit,warn
{PAIR.x},axb,{PAIR.a},{PAIR.b},,,,,
{ONE_WAY.x},axb,{ONE_WAY.a},{ONE_WAY.b},,,a_to_b,,
{CLOSED.x},axb,{CLOSED.a},{CLOSED.b},,,b_to_a,,
{OWNER.x},ax,{OWNER.a},,,,,,
{OWNER_AND_N.x},axn,{OWNER_AND_N.a},,{OWNER_AND_N.b},,,,
{OWNER_AND_GROUP.x},axg,{OWNER_AND_GROUP.a},,,shop,,,
{TIMED.x},axb,{TIMED.a},{TIMED.b},,,,62s,yes
"""


class Way(NamedTuple):
    """A call through X that gets through."""

    of: Line
    caller: str
    called: str


WAYS = (
    Way(PAIR, PAIR.a, PAIR.b), Way(PAIR, PAIR.b, PAIR.a),
    Way(ONE_WAY, ONE_WAY.a, ONE_WAY.b), Way(CLOSED, CLOSED.b, CLOSED.a),
    Way(OWNER, OWNER.stranger, OWNER.a),
    Way(OWNER_AND_N, OWNER_AND_N.stranger, OWNER_AND_N.a), Way(OWNER_AND_N, OWNER_AND_N.a, OWNER_AND_N.b),
)  # fmt: skip
REFUSED = (
    (PAIR, PAIR.stranger, 404, 1), (ONE_WAY, ONE_WAY.b, 603, 21), (CLOSED, CLOSED.a, 486, 17),
    (OWNER, OWNER.a, 603, 21), (OWNER_AND_GROUP, OWNER_AND_GROUP.stranger, 404, 1),
)  # fmt: skip


def party(directory: Path, port: int, calls: int) -> Sipp:
    """Everybody at one address, for so many calls, who writes down what arrives."""
    heard = directory / f"messages-{port}"
    arguments = ("-m", str(calls), "-trace_msg", "-message_file", str(heard))
    return Sipp(SCENARIOS / "x_party.xml", directory, port, next_media_port(), arguments=arguments)


def invites(directory: Path, port: int) -> list[str]:
    """Each INVITE that arrived, once."""
    found = re.split(r"^-{20,}.*$", (directory / f"messages-{port}").read_text(), flags=re.MULTILINE)
    texts = [text.partition("\nINVITE ")[2] for text in found if "message received" in text and "\nINVITE " in text]
    return list({re.search(r"^Call-ID: (\S+)", text, re.M)[1]: text for text in texts}.values())  # type: ignore[index]


async def goes_through(switch: RunningSwitch, directory: Path, number: str, x: str) -> None:
    """A talk of a moment, which the caller ends."""
    await carry(Caller(number, "", 600, prompt_ms=0, audio=None), switch.target, directory, x)


async def is_refused(switch: RunningSwitch, directory: Path, of: Line, caller: str, status: int, cause: int) -> None:
    """With this status and cause."""
    port = free_port()
    text = (SCENARIOS / "x_refused.xml").read_text()
    for word, value in {"caller": caller, "status": str(status), "cause": str(cause)}.items():
        text = text.replace(f"@{word}@", value)
    scenario = directory / f"refused-{port}.xml"
    scenario.write_text(text)
    host, sip_port = switch.target
    sipp = Sipp(scenario, directory, port, next_media_port(), f"{host}:{sip_port}", ("-s", of.x, "-m", "1"))
    with sipp:
        await asyncio.to_thread(sipp.wait, 25.0, lambda row: None)
    totals = sipp.totals()
    assert (totals.successful, totals.failed, totals.unexpected) == (1, 0, 0), (of, caller, totals)


def shows_x(invite: str, of: Line, called: str) -> None:
    """To the party, and of the caller nothing; a 400 number to nobody."""
    assert invite.startswith(f"sip:{called}@")
    assert re.search(rf"^From: .*<sip:{of.x}@", invite, re.M)
    assert not {of.a, of.b, of.stranger} - {called} & set(re.findall(r"\d{11}", invite))
    assert not re.search("^(P-Asserted-Identity|Remote-Party-ID|Diversion|History-Info):", invite, re.M | re.I)
    # The number of an SDP session is chance, and may look like anything.
    assert SERVICE.findall(re.sub("^o=.*$", "", invite, flags=re.M)) == []


async def test_who_reaches_whom_and_what_is_shown(tmp_path: Path) -> None:
    """AXB, AX, AXN and AXG in every direction; and a talk whose last minute is announced to both."""
    need_sipp()
    trunk, member = free_port(), free_port()
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "closed.yaml").write_text(CLOSED_FLOW)
    changes = {
        "trunks": [{"name": "bench", "from": ["127.0.0.0/8"], "to": f"127.0.0.1:{trunk}"}],
        "numbers": [{"number": CLOSED.x, "mask": True, "failed": "closed"}, {"number": "01086655*", "mask": True}],
        "groups": [{"name": "shop", "members": [f"sip:shop@127.0.0.1:{member}"]}],
        "flows": [str(flows)],
        "masks": [],
    }
    parties, shop = party(tmp_path, trunk, len(WAYS) + 1), party(tmp_path, member, 1)
    with running_switch(tmp_path, **changes) as switch, parties, shop:
        file = tmp_path / "bindings.csv"
        file.write_text(BINDINGS)
        await World(switch, None, [], tmp_path).masks("import", str(file))  # type: ignore[arg-type]
        # The announcement is over four seconds after the answer, on a busy machine later.
        caller = Caller(TIMED.a, "", round(4000 + 1500 * PATIENCE), prompt_ms=0, audio=None)
        with listening() as heard:
            await together(
                carry(caller, switch.target, tmp_path, TIMED.x),
                *(goes_through(switch, tmp_path, way.caller, way.of.x) for way in WAYS),
                goes_through(switch, tmp_path, OWNER_AND_GROUP.a, OWNER_AND_GROUP.x),
                *(is_refused(switch, tmp_path, *one) for one in REFUSED),
            )
        for media_port in (caller.media_port, parties.media_port):
            assert heard[0].prompts(Caller("", "", media_port=media_port)) == ["last_minute"]
        await switch.nothing_left()
    arrived = {text.partition("@")[0].removeprefix("sip:"): text for text in invites(tmp_path, trunk)}
    assert set(arrived) == {way.called for way in WAYS} | {TIMED.b}
    for way in WAYS:
        shows_x(arrived[way.called], way.of, way.called)
    shows_x(arrived[TIMED.b], TIMED, TIMED.b)
    (rung,) = invites(tmp_path, member)
    shows_x(rung, OWNER_AND_GROUP, "shop")
    totals = parties.totals()
    assert (totals.successful, totals.failed, totals.unexpected) == (len(WAYS) + 1, 0, 0), totals
