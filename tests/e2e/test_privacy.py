"""Neither side's number reaches the other, a log, a metric or the disk, whatever the phones put into their messages.

Both phones write their number into every header and SDP line there is. Every byte that either is sent is kept and
searched, as are the files of the switch while calls are up, after them, after a crash and after its end.
"""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from bench.phone import Answer, Behaviour, Call, Never, PhoneError, Refuse
from tests.support.marked import MarkedPhone, MarkedPort, files, leaks, spoken
from tests.support.planes import CHOSEN, WORKERS
from tests.support.ports import free_port
from tests.support.processes import processes, responds
from tests.support.switch import RunningSwitch, running_switch

CALLER = "13877665544"
AGENT = "13956781234"
DIALLED = "13612345678"
"""A real number that a caller dials as such; it leads nowhere."""
CALLER_HOST, AGENT_HOST = "127.0.0.4", "127.0.0.5"
NUMBER, STRAIGHT = "4008001234", "4008005678"
EXTENSION = "345678"
SHOWN = "01088880000"


@pytest.fixture(scope="module")
def agent_port() -> int:
    """Where the trunk leads."""
    return free_port()


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, agent_port: int) -> Iterator[RunningSwitch]:
    """A switch with one hidden agent on a trunk, which logs all it can."""
    real = {"extension": EXTENSION, "real": AGENT, "trunk": "bench", "shown": SHOWN}
    with running_switch(
        tmp_path_factory.mktemp("privacy"),
        trunks=[{"name": "bench", "from": ["127.0.0.0/8"], "to": f"{AGENT_HOST}:{agent_port}"}],
        numbers=[{"number": NUMBER, "flow": "extension"}, {"number": STRAIGHT, "mask": True}],
        masks=[{"number": NUMBER, **real}, {"number": STRAIGHT, **real}],
    ) as running:
        yield running
        assert running.stop() == 0
        assert leaks([CALLER, AGENT, DIALLED], {**logs(running), **files(running.store)}) == []


class Line:
    """Caller and agent, both marked, and the switch between them."""

    def __init__(self, switch: RunningSwitch, caller: MarkedPhone, agent: MarkedPhone) -> None:
        self.switch = switch
        self.caller = caller
        self.agent = agent

    async def dial(self, behaviour: Behaviour, *, straight: bool = False) -> Call:
        """Call the hidden agent, through the flow or at once."""
        self.agent.behaviour = behaviour
        if straight:
            return await self.caller.dial_marked(f"{STRAIGHT}*{EXTENSION}")
        call = await self.caller.dial_marked(NUMBER)
        await call.answered()
        await call.rtp.key(EXTENSION)
        return call

    async def talk(self, call: Call, far: Call) -> None:
        """Tones both ways, and everything that phones say in a call: INFO, re-INVITE, UPDATE, RTCP."""
        call.rtp.play(440)
        far.rtp.play(880)
        await far.hears(440)
        await call.hears(880)
        for one in (call, far):
            assert isinstance(one.rtp, MarkedPort)
            if CHOSEN == WORKERS:  # rtpengine passes on what stands in RTP, header extensions and all
                one.rtp.tell_name(CALLER if one is call else AGENT)
            assert (await one.info("5")).status == 200
            assert (await one.reinvite("sendonly")).status == 200
            assert (await one.reinvite("sendrecv")).status == 200
            await one.send("MESSAGE", [("Content-Type", "text/plain")], b"call me back: " + one.local.encode())
            await one.send("OPTIONS")
        await far.hears(440)
        await call.hears(880)

    def search(self) -> list[str]:
        """What either side, the log, the web pages or the disk tell that they should not."""
        both = (CALLER, AGENT)
        here = {f"cmdline of {name}": "\0".join(p.cmdline()).encode() for name, p in processes(self.switch).items()}
        here |= {path: self.switch.get(path) for path in ("/metrics", "/health")}
        return [
            *leaks([CALLER], self.agent.heard_bytes()),
            *leaks([AGENT], self.caller.heard_bytes()),
            *spoken([CALLER_HOST], self.agent.heard_bytes()),
            *spoken([AGENT_HOST], self.caller.heard_bytes()),
            *leaks([*both, DIALLED], {**here, **logs(self.switch), **files(self.switch.store)}),
        ]


def logs(switch: RunningSwitch) -> dict[str, bytes]:
    """What the switch printed and logged, and the names of all its files."""
    names = "\n".join(str(path.relative_to(switch.directory)) for path in switch.directory.rglob("*"))
    log = switch.directory / "switch.log"
    return {"output": switch.output.read_bytes(), "log": log.read_bytes(), "names": names.encode()}


@pytest_asyncio.fixture
async def line(switch: RunningSwitch, agent_port: int) -> AsyncIterator[Line]:
    """Both phones, open for one test."""
    options = {"target": switch.target, "t1": 0.1}
    async with (
        await MarkedPhone.marked(CALLER, host=CALLER_HOST, **options) as caller,
        await MarkedPhone.marked(AGENT, host=AGENT_HOST, port=agent_port, **options) as agent,
    ):
        yield Line(switch, caller, agent)


@pytest.mark.parametrize("straight", [False, True], ids=["flow", "straight"])
async def test_a_whole_call_tells_nothing(line: Line, straight: bool) -> None:
    """Early media, talk, INFO and re-INVITE both ways, BYE of the agent: not one digit of the other's number."""
    call = await line.dial(Answer(after=0.3, early=True), straight=straight)
    far = await line.agent.next_call()
    await far.confirmed()
    await line.talk(call, far)
    assert line.search() == []
    await far.hang_up()
    await call.ended()
    assert line.search() == []
    assert far.request is not None
    assert far.request.get("from").startswith(f"<sip:{SHOWN}@"), "the number to be shown was shown"
    assert far.request.uri.startswith(f"sip:{AGENT}@"), "the agent's own number was dialled"


async def test_the_search_sees_what_was_sent(line: Line) -> None:
    """Each side does find its own number in what it was sent, so that finding nothing else means something."""
    call = await line.dial(Answer())
    far = await line.agent.next_call()
    await far.confirmed()
    assert leaks([CALLER], {"caller": line.caller.heard_bytes()[f"SIP to {CALLER}"]})
    assert leaks([AGENT], {"agent": line.agent.heard_bytes()[f"SIP to {AGENT}"]})
    assert spoken([AGENT_HOST], line.agent.heard_bytes())
    await call.hang_up()
    await far.ended()
    assert line.search() == []


@pytest.mark.parametrize("status", [302, 404, 480, 486, 500, 603])
async def test_a_refusal_tells_nothing(line: Line, status: int) -> None:
    """Reason phrase, Warning, Reason and Contact of a refusal stay on the agent's side, also those of a redirection."""
    call = await line.dial(Refuse(status, "sorry"), straight=True)
    far = await line.agent.next_call()
    await far.ended()
    assert await call.decided() >= 400
    assert line.search() == []


async def test_a_refusal_in_a_flow_tells_nothing(line: Line) -> None:
    """The caller hears a notice, in our voice."""
    call = await line.dial(Refuse(486, "sorry"))
    far = await line.agent.next_call()
    await far.ended()
    before = len(call.rtp.received)
    await line.switch.eventually(lambda: len(call.rtp.received) > before + 10)
    await call.hang_up()
    assert line.search() == []


@pytest.mark.parametrize("straight", [False, True], ids=["flow", "straight"])
async def test_giving_up_tells_nothing(line: Line, straight: bool) -> None:
    """CANCEL carries nothing of the caller's, and 487 nothing of the agent's."""
    call = await line.dial(Never(), straight=straight)
    far = await line.agent.next_call()
    if straight:
        await call.ringing()
        assert await call.cancel() == 487
    else:
        await call.hang_up()
    await far.ended()
    assert line.search() == []


async def test_what_leads_nowhere_is_not_kept(line: Line, switch: RunningSwitch) -> None:
    """A real number that is dialled, registered or stands in rubbish is neither logged nor stored."""
    call = await line.caller.dial_marked(DIALLED)
    assert await call.decided() == 404
    line.caller.password = "wrong"
    with pytest.raises(PhoneError):
        await line.caller.register()
    rubbish = [
        f"INVITE sip:{DIALLED}@x SIP/2.0\r\nFrom: {CALLER}\r\n\r\n",
        f"{CALLER} {DIALLED} SIP/2.0\r\nVia: {CALLER}\r\nCall-ID: {CALLER}\r\n\r\n",
        f"SIP/2.0 200 {CALLER}\r\nVia: SIP/2.0/UDP {CALLER}\r\nCSeq: {CALLER} INVITE\r\n\r\n",
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for text in rubbish:
            sock.sendto(text.encode(), switch.target)
    await line.caller.options()
    assert line.search() == []


async def test_a_crash_tells_nothing(line: Line, switch: RunningSwitch) -> None:
    """What a kill leaves on the disk, and what is made of it at the restart, hold no number."""
    call = await line.dial(Answer())
    far = await line.agent.next_call()
    await far.confirmed()
    records = len(switch.rows("select id from calls"))
    signalling = switch.child("signalling")
    signalling.kill()
    signalling.wait(5)
    assert leaks([CALLER, AGENT], {**logs(switch), **files(switch.store)}) == []
    await switch.eventually(lambda: responds(switch), 10)
    await switch.records(records + 1)
    assert line.search() == []
    call.rtp.close()
    far.rtp.close()


# --- that the search finds what it should ---

PLANTED = {
    "From": b"From: <sip:13877665544@10.0.0.1>;tag=1",
    "international": b"P-Asserted-Identity: <tel:+8613877665544>",
    "trunk prefix": b"o=013877665544 1 1 IN IP4 10.0.0.1",
    "grouped": b"Subject: 138-7766-5544",
    "in blanks": b'"text": "138 7766 5544"',
    "its end": b"call 877665544 back",
    "reversed": b"44556677831.wav",
    "escaped": b"sip:%31%33%38%37%37%36%36%35%35%34%34@x",
    "User-to-User": b"User-to-User: 3133383737363635353434;encoding=hex",
    "base64": b"Authorization: Basic MTM4Nzc2NjU1NDQ6eA==",
    "base64 after a letter": b"YTEzODc3NjY1NTQ0",
    "base64 after two letters": b"YWIxMzg3NzY2NTU0NA==",
    "UTF-16": "13877665544".encode("utf-16-be") + b"\0",
    "full width": "\uff11\uff13\uff18\uff17\uff17\uff16\uff16\uff15\uff15\uff14\uff14".encode(),
    "BCD": b"\x13\x87\x76\x65\x54\x4f",
    "telephone BCD": b"\x31\x78\x67\x56\x45\xf4",
    "integer": (13877665544).to_bytes(8, "big"),
    "MD5": b"05372677e3d52f74df9cd5811a164131",
}


@pytest.mark.parametrize("form", PLANTED)
def test_a_planted_number_is_found(form: str) -> None:
    """Every form that is planted on purpose is found between other bytes, and not where it is absent."""
    data = b"\x00SIP/2.0 200 OK\r\n" + PLANTED[form] + b"\r\nCSeq: 1 INVITE\r\n"
    assert leaks([CALLER], {"clean": b"138****5544 13877665543", "planted": data})
    assert all("in planted" in leak for leak in leaks([CALLER], {"clean": b"138****5544", "planted": data}))


def test_a_number_is_found_in_files_and_names(tmp_path: Path) -> None:
    """In a row of a database, in its journal, in a file below, and in a name; the keys are left out."""
    with sqlite3.connect(tmp_path / "calls.db") as database:
        database.execute("pragma journal_mode=wal")
        database.execute("create table calls (caller text)")
        database.execute("insert into calls values (?)", (CALLER,))
        database.commit()
        assert "calls.db-wal" in str(leaks([CALLER], files(tmp_path)))
    database.close()
    assert "file calls.db" in str(leaks([CALLER], files(tmp_path)))
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / f"{AGENT}.wav").write_bytes(b"")
    assert "file names" in str(leaks([AGENT], files(tmp_path)))
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "one").write_bytes(DIALLED.encode())
    assert leaks([DIALLED], files(tmp_path)) == []
