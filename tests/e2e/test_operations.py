"""What an operator does and sees: starts that cannot succeed, the second start, masks for a running switch."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import resource
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.phone import Phone
from tests.support.ports import MEDIA_FIRST, free_port
from tests.support.processes import memory
from tests.support.switch import PROJECT, RunningSwitch, running_switch
from tests.support.talking import pair

MASKED = "4008001234"
IMPORTED = 2_000
MANY = 20_000
REAL = "13956781234"


def command(*words: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run the command line as an operator does."""
    return subprocess.run(
        [sys.executable, "-m", "switchboard", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
        stdin=subprocess.DEVNULL,
    )


# --- starts that cannot succeed ---

GOOD: dict[str, Any] = {
    "media": {"ports": f"{MEDIA_FIRST}-{MEDIA_FIRST + 99}"},
    "trunks": [{"name": "carrier", "from": ["127.0.0.0/8"], "to": "127.0.0.1:5999"}],
    "numbers": [{"number": MASKED, "flow": "extension"}],
    "http": {"enabled": False},
}


class Attempt:
    """A configuration that is spoilt in one place, and the start with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "switch.yaml"
        self.port = free_port()
        self.store = directory / "store"
        self.options: list[str] = []
        self.text = yaml.safe_dump(
            {
                "sip": {"listen": [{"host": "127.0.0.1", "port": self.port}]},
                **GOOD,
                "store": {"directory": str(self.store)},
            }
        )

    def line_of(self, part: str) -> int:
        """In which line of the file this stands."""
        return self.text[: self.text.index(part)].count("\n") + 1

    def replace(self, old: str, new: str) -> None:
        """Spoil the text."""
        assert old in self.text
        self.text = self.text.replace(old, new)

    def start(self) -> subprocess.CompletedProcess[str]:
        """Write it and start."""
        if self.text:
            self.file.write_text(self.text)
        return command("run", "--config", str(self.file), *self.options)


Spoil = Callable[[Attempt], str]


def missing_file(attempt: Attempt) -> str:
    """There is no such file."""
    attempt.text = ""
    return rf"{attempt.file}: .*no such file"


def directory_for_file(attempt: Attempt) -> str:
    """A directory cannot be read as a file."""
    attempt.text = ""
    attempt.file.mkdir()
    return rf"{attempt.file}: .*directory"


def no_text(attempt: Attempt) -> str:
    """Octets that are no text."""
    attempt.text = ""
    attempt.file.write_bytes(b"sip:\n  domain: \xff\xfe\x00\n")
    return rf"{attempt.file}.*(UTF-8|YAML|character)"


def no_yaml(attempt: Attempt) -> str:
    """A bracket that is never closed."""
    attempt.text += "log: {level: info\n"
    return rf"{attempt.file}:\d+:\d+: not valid YAML"


def unknown_key(attempt: Attempt) -> str:
    """A misspelt key is named with its line and the right one."""
    attempt.replace("listen:", "lisen:")
    return rf"{attempt.file}:{attempt.line_of('lisen')}:\d+: unknown key 'lisen' under sip; did you mean 'listen'"


def wrong_type(attempt: Attempt) -> str:
    """A word where a number belongs."""
    attempt.replace(f"port: {attempt.port}", "port: sixty")
    return rf"{attempt.file}:{attempt.line_of('sixty')}:\d+: .*port.*number"


def unknown_flow(attempt: Attempt) -> str:
    """A number leads to a flow that nobody has written."""
    attempt.replace("flow: extension", "flow: extensoin")
    return rf"{attempt.file}:{attempt.line_of('extensoin')}:\d+: .*extensoin.*extension"


def unknown_trunk(attempt: Attempt) -> str:
    """A mask goes out by a trunk that there is not."""
    attempt.text += (
        f'masks:\n- {{number: "{MASKED}", extension: "1", real: "{REAL}", trunk: none, shown: "01088880000"}}\n'
    )
    return rf"{attempt.file}:{attempt.line_of('trunk: none')}:\d+: .*none"


def spoilt_flow(attempt: Attempt) -> str:
    """A flow of one's own with a node that does not exist: its file and line are named."""
    flow = attempt.directory / "mine.yaml"
    flow.write_text(
        "flow: mine\nanswer: now\nstart: a\nnodes:\n  a:\n    type: play\n    prompts: [zh/welcome]\n    next: b\n"
    )
    attempt.text += f"flows: [{flow}]\n"
    return rf"{flow}:\d+:\d+: .*'b'"


def flow_of_unknown_type(attempt: Attempt) -> str:
    """A node of a type that nobody knows."""
    flow = attempt.directory / "mine.yaml"
    flow.write_text("flow: mine\nanswer: now\nstart: a\nnodes:\n  a: {type: plya, prompts: [zh/welcome]}\n")
    attempt.text += f"flows: [{flow}]\n"
    return rf"{flow}:5:\d+: .*plya.*play"


def flow_file_missing(attempt: Attempt) -> str:
    """The configuration names flows that are not there."""
    attempt.text += f"flows: [{attempt.directory}/nowhere]\n"
    return rf"{attempt.directory}/nowhere"


def foreign_address(attempt: Attempt) -> str:
    """An address that this machine does not have."""
    attempt.replace("host: 127.0.0.1", "host: 192.0.2.1")
    return rf"cannot listen on 192\.0\.2\.1.*does not have.*{attempt.file}:\d+"


def foreign_media_address(attempt: Attempt) -> str:
    """The same for audio."""
    attempt.replace("media:\n", "media:\n  address: 192.0.2.1\n")
    return rf"cannot receive audio on 192\.0\.2\.1.*{attempt.file}:{attempt.line_of('192.0.2.1')}"


def store_is_a_file(attempt: Attempt) -> str:
    """A file stands where the store should be."""
    attempt.store.write_text("")
    return rf"store\.directory {attempt.store} cannot be used"


def spoilt_database(attempt: Attempt) -> str:
    """What is there is no database."""
    attempt.store.mkdir()
    (attempt.store / "switchboard.db").write_bytes(b"no database" * 1000)
    return rf"{attempt.store}/switchboard\.db"


def damaged_accounts(attempt: Attempt) -> str:
    """A database that is one, whose accounts cannot be read."""
    with running_switch(attempt.directory / "first", store={"directory": str(attempt.store)}):
        pass
    file = attempt.store / "switchboard.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        pages = [root for (root,) in database.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'users'")]
    with file.open("r+b") as octets:
        for page in pages:
            octets.seek((page - 1) * size)
            octets.write(b"\xaa" * size)
    attempt.replace("http:\n  enabled: false", f"http:\n  port: {free_port()}")
    return rf"{file}: not a usable database .*malformed.*; restore it from a backup"


def lost_key(attempt: Attempt) -> str:
    """A key file that is cut short."""
    with running_switch(attempt.directory / "first", store={"directory": str(attempt.store)}):
        pass
    key = next(path for path in sorted((attempt.store / "keys").iterdir()) if path.is_file())
    key.write_bytes(key.read_bytes()[:5])
    return str(key)


def pid_file_nowhere(attempt: Attempt) -> str:
    """The pid file cannot be written."""
    attempt.options = ["--pid-file", "/proc/nowhere/switch.pid"]
    return r"pid file /proc/nowhere/switch\.pid cannot be written"


def unknown_core(attempt: Attempt) -> str:
    """A core that this machine does not have."""
    attempt.options = ["--cpus", "999"]
    return r"--cpus 999"


@pytest.mark.parametrize(
    "spoil",
    [
        missing_file,
        directory_for_file,
        no_text,
        no_yaml,
        unknown_key,
        wrong_type,
        unknown_flow,
        unknown_trunk,
        spoilt_flow,
        flow_of_unknown_type,
        flow_file_missing,
        foreign_address,
        foreign_media_address,
        store_is_a_file,
        spoilt_database,
        damaged_accounts,
        lost_key,
        pid_file_nowhere,
        unknown_core,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_what_cannot_start_says_why_in_one_line(tmp_path: Path, spoil: Spoil) -> None:
    """One line that names what is wrong and where, exit status 1, no traceback, nothing left running."""
    (tmp_path / "first").mkdir()
    attempt = Attempt(tmp_path)
    expected = spoil(attempt)
    ended = attempt.start()
    assert_refused(ended, expected)


def assert_refused(ended: subprocess.CompletedProcess[str], expected: str) -> None:
    """It ended with status 1 and one line that matches."""
    said = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
    assert ended.returncode == 1, said
    assert len(said) == 1, said
    assert re.search(expected, said[0]), said[0]


def test_a_taken_port_is_named_with_who_has_it(tmp_path: Path) -> None:
    """The port, its holder, and the line to change."""
    attempt = Attempt(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", attempt.port))
        ended = attempt.start()
    place = f"{attempt.file}:{attempt.line_of('- host')}"
    assert_refused(
        ended, rf"cannot listen on 127\.0\.0\.1:{attempt.port}/udp: the port is in use \(by pid \d+ .*{place}"
    )


def test_a_taken_web_port_is_only_a_warning(tmp_path: Path) -> None:
    """Calls are worth more than metrics: the switch runs, and its log says what is missing."""
    attempt = Attempt(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        attempt.replace("http:\n  enabled: false", f"http:\n  port: {sock.getsockname()[1]}")
        attempt.file.write_text(attempt.text)
        process = subprocess.Popen(
            [sys.executable, "-m", "switchboard", "run", "--config", str(attempt.file)],
            cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            said = ""
            while "http.unavailable" not in said or "API  " not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
        finally:
            process.terminate()
            rest, _ = process.communicate(timeout=10)
        assert "the port is in use" in said
        assert "/docs" not in said
        assert process.returncode == 0, said + rest


def test_check_says_the_same_without_starting(tmp_path: Path) -> None:
    """`switchboard check` finds what `run` would stumble over, and tells when all is well."""
    attempt = Attempt(tmp_path)
    attempt.file.write_text(attempt.text)
    good = command("check", "--config", str(attempt.file))
    assert (good.returncode, good.stderr) == (0, "")
    assert MASKED in good.stdout
    for spoil in (unknown_key, spoilt_flow, missing_file):
        (tmp_path / spoil.__name__).mkdir()
        attempt = Attempt(tmp_path / spoil.__name__)
        expected = spoil(attempt)
        if attempt.text:
            attempt.file.write_text(attempt.text)
        assert_refused(command("check", "--config", str(attempt.file)), expected)
    assert not attempt.store.exists()


# --- a running switch ---


@pytest.fixture(scope="module")
def agent_port() -> int:
    """Where SIP targets and the trunk lead."""
    return free_port()


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, agent_port: int) -> Iterator[RunningSwitch]:
    """A switch with a mask and a trunk that calls can go out by."""
    with running_switch(
        tmp_path_factory.mktemp("operations"),
        trunks=[{"name": "carrier", "from": ["127.0.0.0/8"], "to": f"127.0.0.1:{agent_port}"}],
        numbers=[{"number": MASKED, "mask": True}],
        masks=[{"number": MASKED, "extension": "800001", "target": "aor:alice"}],
    ) as running:
        yield running


def masks(switch: RunningSwitch, *words: str) -> subprocess.CompletedProcess[str]:
    """`switchboard masks …` on the switch's configuration."""
    return command("masks", *words, "--config", str(switch.config_file))


def write_rows(file: Path, first: int, count: int, agent_port: int) -> Path:
    """So many extensions, of which every tenth leads to a real number and the others to a SIP address."""
    with file.open("w") as out:
        out.write("number,extension,target,trunk,shown,expires,label\n")
        for number in range(first, first + count):
            if number % 10 == 0:
                out.write(f"{MASKED},{number},139{number:08d},carrier,01088880000,,flat {number - first}\n")
            else:
                out.write(f"{MASKED},{number},sip:{number}@127.0.0.1:{agent_port},,,,\n")
    return file


def bindings(switch: RunningSwitch) -> tuple[int, float]:
    """How many rows are stored, how many extensions the running switch knows."""
    stored = switch.rows("select count(*) as n from mask_bindings")[0]["n"]
    return int(stored), switch.metrics()["mask_bindings"]


async def test_imported_masks_are_reached_at_once(switch: RunningSwitch, agent_port: int, tmp_path: Path) -> None:
    """2,000 rows imported while the switch runs: the next call reaches them, and no number is to be seen."""
    stored, known = bindings(switch)
    file = write_rows(tmp_path / "masks.csv", 500_000, IMPORTED, agent_port)
    async with pair(switch, agent_port) as phones:
        before = await phones.dial(f"{MASKED}*501999")
        assert await before.decided() == 404
        done = await asyncio.to_thread(masks, switch, "import", str(file))
        assert done.returncode == 0, done.stderr
        assert f"{IMPORTED} bindings imported (0 replaced, 0 unchanged)" in done.stdout
        assert f"the running switch uses them now ({int(known) + IMPORTED} bindings in all)" in done.stdout
        assert bindings(switch) == (stored + IMPORTED, known + IMPORTED)
        for extension, user in (("501999", "501999"), ("501990", "13900501990")):
            call = await phones.dial(f"{MASKED}*{extension}")
            await call.answered()
            far = await phones.agent.next_call()
            assert far.request is not None
            assert far.request.uri == f"sip:{user}@127.0.0.1:{agent_port}"
            await call.hang_up()
    assert "13900501990" not in done.stdout + done.stderr


async def test_a_key_that_is_added_seals_at_once(switch: RunningSwitch, agent_port: int) -> None:
    """The caller of the next call is sealed under it in the record; what was sealed before is brought under it."""
    async with pair(switch, agent_port) as phones:
        for key, verb in ((1, "add"), (2, "reseal")):
            call = await phones.dial(f"{MASKED}*999")
            assert await call.decided() == 404
            await switch.eventually(partial(sealed_under, switch, key))
            done = await asyncio.to_thread(command, "keys", verb, "--config", str(switch.config_file))
            assert done.returncode == 0, done.stderr
    assert not sealed_under(switch, 1)


def sealed_under(switch: RunningSwitch, key: int) -> bool:
    """Whether the caller of any record is sealed under a key."""
    return bool(switch.rows(f"select id from calls where substr(caller_sealed, 1, 2) = x'{key:04x}'"))


def test_a_binding_is_shown_masked(switch: RunningSwitch, agent_port: int, tmp_path: Path) -> None:
    """`masks show` tells where an extension leads, the middle of a real number left out."""
    file = write_rows(tmp_path / "masks.csv", 510_000, 2, agent_port)
    assert masks(switch, "import", str(file)).returncode == 0
    real = masks(switch, "show", "400-800-1234", "510000")
    assert real.returncode == 0
    assert "139****0000 by trunk carrier, showing 01088880000" in real.stdout
    assert "13900510000" not in real.stdout
    assert f"sip:510001@127.0.0.1:{agent_port}" in masks(switch, "show", MASKED, "510001").stdout
    configured = masks(switch, "show", MASKED, "800001")
    assert "softphone alice" in configured.stdout
    assert "configuration" in configured.stdout
    nothing = masks(switch, "show", MASKED, "999999")
    assert (nothing.returncode, "not bound" in nothing.stdout + nothing.stderr) == (1, True)


def test_one_bad_row_imports_nothing(switch: RunningSwitch, agent_port: int, tmp_path: Path) -> None:
    """Every bad row is named with its line and reason, without the number in it; nothing is stored."""
    before = bindings(switch)
    file = write_rows(tmp_path / "masks.csv", 520_000, 50, agent_port)
    rows = file.read_text().splitlines()
    rows[10] = f"{MASKED},52000x,{REAL},carrier,01088880000,,"
    rows[20] = f"{MASKED},520019,,carrier,,,"
    rows[30] = f"{MASKED},520029,{REAL},nobody,01088880000,,"
    rows[40] = f"{MASKED},520000,sip:a@127.0.0.1,,,,"
    file.write_text("\n".join(rows) + "\n")
    refused = masks(switch, "import", str(file))
    assert refused.returncode == 1
    for line in (11, 21, 31, 41):
        assert f"{file}:{line}: " in refused.stderr
    assert "nothing imported: 4 bad rows" in refused.stderr
    assert REAL not in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    assert bindings(switch) == before


def test_bound_extensions_are_replaced_only_when_wanted(switch: RunningSwitch, agent_port: int, tmp_path: Path) -> None:
    """The same rows again change nothing; other ones for the same extensions need --replace."""
    file = write_rows(tmp_path / "masks.csv", 530_000, 5, agent_port)
    assert masks(switch, "import", str(file)).returncode == 0
    before = bindings(switch)
    again = masks(switch, "import", str(file))
    assert (again.returncode, "5 bindings there already" in again.stdout) == (0, True), again.stdout
    write_rows(file, 530_000, 5, agent_port + 1)
    refused = masks(switch, "import", str(file))
    assert refused.returncode == 1
    assert f"{file}:" in refused.stderr
    assert "--replace" in refused.stderr
    replaced = masks(switch, "import", str(file), "--replace")
    assert replaced.returncode == 0, replaced.stderr
    assert "0 replaced" not in replaced.stdout
    assert bindings(switch) == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"a,b,c\n1,2,3\n", "number,extension,target"),
        (b"number,extension,target\n\xff\xff\xff\xff", "neither UTF-8 nor GBK"),
        (None, "no such file"),
    ],
    ids=["empty", "no header", "no text", "no file"],
)
def test_a_file_that_is_no_list_of_masks_is_refused(
    switch: RunningSwitch, tmp_path: Path, content: bytes | None, expected: str
) -> None:
    """One line that names the file, exit status 1."""
    file = tmp_path / "masks.csv"
    if content is not None:
        file.write_bytes(content)
    refused = masks(switch, "import", str(file))
    assert refused.returncode == 1
    assert [line for line in refused.stderr.splitlines() if str(file) in line and expected in line], refused.stderr
    assert "Traceback" not in refused.stderr


async def test_health_tells_what_is_up(switch: RunningSwitch) -> None:
    """/health is JSON with the calls that are up; a registered phone is counted in /metrics."""
    report = json.loads(switch.get("/health"))
    assert (report["status"], report["reasons"]) == ("ok", [])
    assert report["facts"]["calls"] == 0
    assert report["facts"]["media"]["workers"] == 1
    options = {"target": switch.target, "password": "alice-secret", "domain": "switchboard.local"}
    async with await Phone.open("alice", **options) as alice:
        await alice.register()
        assert switch.metrics()["registrations"] == 1
        await alice.register(0, "*")
    assert switch.metrics()["registrations"] == 0


def test_the_second_start_is_quick_and_20000_masks_are_small(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    """On an existing store, with 20,000 imported extensions, the switch is ready soon and stays small."""
    port = free_port()
    trunk = {"name": "carrier", "from": ["127.0.0.0/8"], "to": f"127.0.0.1:{port}"}
    figures: dict[str, object] = {}
    with running_switch(tmp_path, trunks=[trunk], numbers=[{"number": MASKED, "mask": True}], masks=[]) as switch:
        figures["resident without"] = memory(switch)
        assert switch.stop() == 0
        file = write_rows(tmp_path / "masks.csv", 100_000, MANY, port)
        began = time.monotonic()
        assert masks(switch, "import", str(file)).returncode == 0
        figures["import seconds"] = round(time.monotonic() - began, 2)
        switch.restart()
        ready = re.search(r"is ready \(([\d.]+) s\)", switch.output.read_text())
        assert ready is not None
        figures["start seconds"] = float(ready[1])
        figures["resident with"] = memory(switch)
        assert switch.metrics()["mask_bindings"] == MANY
    print(json.dumps(figures))
    record_property("figures", json.dumps(figures))
    assert float(ready[1]) < 10
    assert memory_of(figures, "signalling") < 400 * 1024 * 1024


def memory_of(figures: dict[str, Any], name: str) -> int:
    """Resident octets of a process with the masks."""
    return int(figures["resident with"][name])


def test_few_descriptors_are_said_at_start(tmp_path: Path) -> None:
    """With a low limit on open files the switch runs, and says how many calls that allows."""
    attempt = Attempt(tmp_path)
    attempt.replace(f"{MEDIA_FIRST}-{MEDIA_FIRST + 99}", "14000-15999")
    attempt.file.write_text(attempt.text)
    process = subprocess.Popen(
        [sys.executable, "-m", "switchboard", "run", "--config", str(attempt.file)],
        cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600)),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = ""
        while "is ready" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert re.search(r"note: 236 of the 1000 pairs .*118 calls.*600", said), said
    assert process.returncode == 0
