"""The supervisor as a process, with stand-in children that answer on the sockets it gave them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import MEDIA_FIRST, free_port
from tests.support.processes import await_end, group_members

ROOT = Path(__file__).parents[2]
RTP = MEDIA_FIRST
PATIENCE = 15.0


def eventually(question: Callable[[], Any], what: str) -> Any:
    """The first true answer; fails the test when none comes."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.02)
    pytest.fail(f"waited {PATIENCE} s for {what}")


def alive(pid: int) -> bool:
    """A process that runs and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Switch:
    """One supervisor under test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.config = directory / "switch.yaml"
        self.pid_file = directory / "switch.pid"
        self.store = directory / "var"
        self.process: subprocess.Popen[str] | None = None

    def write(self, *, workers: int = 1, ports: str = f"{RTP}-{RTP + 799}", drain: str = "1s") -> None:
        """Write the configuration."""
        self.config.write_text(
            f"sip:\n  listen:\n    - {{host: 127.0.0.1, port: {self.port}}}\n"
            f"media: {{workers: {workers}, ports: {ports}}}\n"
            f"limits: {{drain: {drain}}}\nstore: {{directory: {self.store}}}\nhttp: {{enabled: false}}\n"
        )

    def start(self, *arguments: str) -> None:
        """Start it and return at once."""
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.supervised",
                str(self.config),
                str(self.pid_file),
                *arguments,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ready(self, *arguments: str) -> Switch:
        """Start it and wait for its greeting."""
        self.start(*arguments)
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "is ready" in line:
                return self
        pytest.fail(f"not ready: {self.process.stderr.read() if self.process.stderr else ''}")

    def ask(self, words: str = "facts", port: int | None = None) -> dict[str, Any]:
        """What the child behind a port says; empty when it does not answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.3)
            sock.connect(("127.0.0.1", port or self.port))
            try:
                sock.send(words.encode())
                answer: dict[str, Any] = json.loads(sock.recv(65536))
            except OSError:
                return {}
            return answer

    def signal(self, number: int) -> None:
        """To the supervisor alone."""
        assert self.process is not None
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Exit status, output and errors once it has ended."""
        assert self.process is not None
        output, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output, errors


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Switch]:
    """A supervisor that is gone after the test, with all of its session."""
    one = Switch(tmp_path)
    one.write()
    yield one
    if one.process is not None:
        group = one.process.pid
        members = group_members(group)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        one.process.communicate(timeout=PATIENCE)
        # The next one has the same ports.
        assert await_end(members, PATIENCE) == []


def test_children_get_sockets_and_share_the_process_group(switch: Switch) -> None:
    """Signalling answers on the SIP socket, a worker on RTP and RTCP; both are ours and in our group."""
    switch.ready()
    assert switch.process is not None
    signalling, worker = switch.ask(), switch.ask(port=RTP)
    assert switch.ask(port=RTP + 1)["pid"] == worker["pid"]
    assert signalling["ppid"] == worker["ppid"] == switch.process.pid
    assert signalling["group"] == worker["group"] == os.getpgid(switch.process.pid)
    assert signalling["config"] == str(switch.config)
    first = signalling["heard"][0]
    assert first["listen"] == [["127.0.0.1", switch.port]]
    assert first["workers"] == [[0, str(switch.store / "media-0.sock")]]
    packaged, made = worker["prompts"][-2:]
    assert packaged.endswith("ivr_flows/prompts")
    assert made == str(switch.store / "prompts")
    assert worker["silence"] == 60.0
    assert int(switch.pid_file.read_text()) == switch.process.pid


def test_first_ports_come_in_chunks_and_more_on_demand(switch: Switch) -> None:
    """A worker starts with four chunks of 64 pairs and gets what it asks for until the range is used up."""
    switch.ready()
    eventually(lambda: len(switch.ask(port=RTP)["heard"]) == 4, "the first chunks")
    heard = switch.ask(port=RTP)["heard"]
    assert [len(message["ports"]) for message in heard] == [64] * 4
    assert heard[0]["ports"][:3] == [RTP, RTP + 2, RTP + 4]
    switch.ask('say {"more": 100}', port=RTP)
    eventually(lambda: len(switch.ask(port=RTP)["heard"]) == 6, "100 further pairs")
    assert [len(message["ports"]) for message in switch.ask(port=RTP)["heard"][4:]] == [64, 36]
    switch.ask('say {"more": 100}', port=RTP)
    switch.ask('say {"more": 100}', port=RTP)
    eventually(lambda: {"exhausted": True} in switch.ask(port=RTP)["heard"], "the end of the range")
    ports = [port for message in switch.ask(port=RTP)["heard"] for port in message.get("ports", ())]
    assert ports == list(range(RTP, RTP + 800, 2))


def test_taken_rtp_ports_are_passed_over(switch: Switch) -> None:
    """A pair of which either port is somebody else's is not handed out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", RTP + 3))
        switch.ready()
        assert switch.ask(port=RTP)["heard"][0]["ports"][:3] == [RTP, RTP + 4, RTP + 6]


def test_workers_share_the_range(switch: Switch) -> None:
    """Two workers get ports of their own, none twice."""
    switch.write(workers=2, ports=f"{RTP}-{RTP + 255}")
    switch.ready()
    eventually(lambda: all(len(switch.ask(port=p)["heard"]) == 1 for p in (RTP, RTP + 254)), "both")
    first, second = switch.ask(port=RTP), switch.ask(port=RTP + 254)
    assert (first["id"], second["id"]) == (0, 1)
    ports = [[p for message in facts["heard"] for p in message["ports"]] for facts in (first, second)]
    assert sorted(ports[0] + ports[1]) == list(range(RTP, RTP + 256, 2))


def test_dead_worker_returns_with_the_same_ports(switch: Switch) -> None:
    """After kill -9 another worker answers on the same sockets, and the signalling process never noticed."""
    switch.ready()
    eventually(lambda: len(switch.ask(port=RTP)["heard"]) == 4, "all ports")
    signalling, worker = switch.ask(), switch.ask(port=RTP)
    os.kill(worker["pid"], signal.SIGKILL)
    eventually(lambda: len(switch.ask(port=RTP).get("heard", ())) == 4, "the worker's return")
    again = switch.ask(port=RTP)
    assert again["pid"] != worker["pid"]
    assert again["heard"] == worker["heard"]
    assert switch.ask()["pid"] == signalling["pid"]


def test_dead_signalling_returns_with_the_same_socket(switch: Switch) -> None:
    """After kill -9 another signalling process answers on the SIP socket and knows that it is a restart."""
    switch.ready()
    worker = switch.ask(port=RTP)
    os.kill(switch.ask()["pid"], signal.SIGKILL)
    again = eventually(switch.ask, "the return of signalling")
    assert again["heard"][0]["restarts"] == 1
    assert switch.ask(port=RTP)["pid"] == worker["pid"]


def test_signalling_that_keeps_dying_stops_the_switch(switch: Switch) -> None:
    """Five restarts within a minute are tried, then it is said loudly and the switch ends with status 1."""
    switch.ready()
    assert switch.process is not None
    pids: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while switch.process.poll() is None and time.monotonic() < deadline:
        if facts := switch.ask():
            pids.add(facts["pid"])
            switch.ask("die")
    status, _, errors = switch.end()
    assert (status, len(pids)) == (1, 6)
    assert "KEEPS DYING" in errors
    assert "Traceback" not in errors


def test_sigterm_drains_then_stops(switch: Switch) -> None:
    """The first SIGTERM asks signalling to drain; drained, all end, the pid file and sockets go, status 0."""
    switch.write(drain="30s")
    switch.ready()
    pids = [switch.ask()["pid"], switch.ask(port=RTP)["pid"]]
    switch.ask('say {"active": 4}')
    switch.signal(signal.SIGTERM)
    eventually(lambda: {"drain": 30.0} in switch.ask()["heard"], "the order to drain")
    switch.ask('say {"draining": 3}')
    switch.ask('say {"active": 0}')
    switch.ask('say {"drained": true}')
    status, output, errors = switch.end()
    assert status == 0, errors
    assert "3 calls are up and may go on for 30 s" in output, "as many as there are then, not as were last reported"
    assert not any(alive(pid) for pid in pids)
    assert not switch.pid_file.exists()
    assert not list(switch.store.glob("*.sock"))


def test_drain_has_an_end(switch: Switch) -> None:
    """Calls that go on longer than limits.drain do not hold the switch."""
    switch.ready()
    switch.signal(signal.SIGTERM)
    eventually(lambda: {"drain": 1.0} in switch.ask()["heard"], "the order to drain")
    switch.ask('say {"draining": 1}')
    status, output, _ = switch.end()
    assert status == 0
    assert "1 call is up" in output


def test_second_signal_stops_at_once(switch: Switch) -> None:
    """A second Ctrl-C does not wait for the calls."""
    switch.write(drain="60s")
    switch.ready()
    switch.signal(signal.SIGINT)
    eventually(lambda: {"drain": 60.0} in switch.ask()["heard"], "the order to drain")
    began = time.monotonic()
    switch.signal(signal.SIGINT)
    status, _, errors = switch.end()
    assert (status, errors) == (0, "")
    assert time.monotonic() - began < 5


def test_ctrl_c_reaches_the_whole_group_but_children_wait_for_the_order(switch: Switch) -> None:
    """SIGINT to the process group, as a terminal sends it, drains instead of killing the children."""
    switch.write(drain="30s")
    switch.ready()
    assert switch.process is not None
    pid = switch.ask()["pid"]
    os.killpg(switch.process.pid, signal.SIGINT)
    heard = eventually(lambda: switch.ask().get("heard"), "signalling after Ctrl-C")
    assert alive(pid)
    eventually(lambda: {"drain": 30.0} in switch.ask()["heard"], "the order to drain")
    assert {"stop": True} not in heard
    switch.ask('say {"drained": true}')
    assert switch.end()[0] == 0


def test_children_outlive_a_killed_supervisor_until_they_choose_to_end(switch: Switch) -> None:
    """kill -9 of the supervisor closes the channels, which the children see; nobody signals them."""
    switch.ready()
    pids = [switch.ask()["pid"], switch.ask(port=RTP)["pid"]]
    switch.signal(signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in pids), "stand-ins that end at the end of the channel")


def test_stale_pid_file_is_replaced(switch: Switch) -> None:
    """A pid file left by a killed supervisor does not stop the next one."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    switch.pid_file.write_text(f"{child.pid}\n")
    switch.ready()
    assert switch.process is not None
    assert int(switch.pid_file.read_text()) == switch.process.pid


def test_cpus_pins_everything(switch: Switch) -> None:
    """--cpus holds for all processes."""
    core = min(os.sched_getaffinity(0))
    switch.ready(str(core))
    assert switch.process is not None
    assert os.sched_getaffinity(switch.process.pid) == {core}
    assert switch.ask()["cores"] == switch.ask(port=RTP)["cores"] == [core]


def refused(switch: Switch, *arguments: str) -> str:
    """The one line with which a start is refused."""
    switch.start(*arguments)
    status, output, errors = switch.end()
    assert (status, output) == (1, "")
    assert errors.count("\n") == 1, errors
    assert not switch.pid_file.exists() or int(switch.pid_file.read_text()) == os.getpid()
    return errors


def test_taken_sip_port_is_one_line(switch: Switch) -> None:
    """It names the port, who holds it, and file and line to change."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", switch.port))
        line = refused(switch)
    assert f"cannot listen on 127.0.0.1:{switch.port}/udp: the port is in use" in line
    assert f"by pid {os.getpid()} " in line
    assert f"change sip.listen in {switch.config}:3" in line


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("listen:", "lisen:", "2:3: unknown key 'lisen' under sip; did you mean 'listen'?"),
        ("127.0.0.1", "192.0.2.55", "192.0.2.55:{port}/udp: this machine does not have that address"),
        ("media: {", "media: {address: 127.0.0.1, silence: x, ", "4:38: media.silence: expected a duration"),
        ("var}", "var/" + "x" * 90 + "}", "the path is too long for the sockets in it"),
        ("var}", "switch.yaml}", "cannot be used: file exists"),
    ],
)
def test_unusable_configuration_is_one_line(switch: Switch, old: str, new: str, expected: str) -> None:
    """Whatever is wrong with the configuration is said in one line."""
    switch.config.write_text(switch.config.read_text().replace(old, new, 1))
    assert expected.format(port=switch.port) in refused(switch)


def test_unreadable_configuration_is_one_line(switch: Switch) -> None:
    """A file that is not there is named."""
    switch.config.unlink()
    assert f"{switch.config}: cannot be read: no such file or directory" in refused(switch)


def test_unknown_core_is_one_line(switch: Switch) -> None:
    """--cpus beyond the machine says what there is."""
    assert "--cpus 4000: this process may use the cores " in refused(switch, "4000")


def test_living_owner_of_the_pid_file_is_respected(switch: Switch) -> None:
    """A second switch does not take the pid file of a running process."""
    switch.pid_file.write_text(f"{os.getpid()}\n")
    assert f"belongs to pid {os.getpid()} (" in refused(switch)
    assert int(switch.pid_file.read_text()) == os.getpid()


def test_store_serves_one_switch(switch: Switch, tmp_path: Path) -> None:
    """A second switch with the same store directory is refused and the first does not notice."""
    switch.ready()
    assert switch.process is not None
    second = Switch(tmp_path)
    second.config, second.pid_file = tmp_path / "second.yaml", tmp_path / "second.pid"
    second.write(ports=f"{RTP + 1000}-{RTP + 1799}")
    assert f"is in use by another switch (pid {switch.process.pid}" in refused(second)
    assert switch.ask()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("broken", "switchboard: flow 'x' is unknown"),
        ("broken-silent", "signalling ended with status 3 while it started"),
    ],
)
def test_signalling_that_cannot_start_ends_the_switch(switch: Switch, name: str, expected: str) -> None:
    """Its own line is shown, or its status, and there is no second attempt."""
    broken = switch.directory / f"{name}.yaml"
    switch.config.rename(broken)
    switch.config = broken
    line = refused(switch)
    assert expected in line
    assert not list(switch.store.glob("*.sock"))


def test_workers_that_cannot_start_end_the_switch(switch: Switch) -> None:
    """A switch without audio is not ready: after the restarts it ends with status 1 and says which child."""
    switch.store = switch.directory / "broken"
    switch.write()
    switch.start()
    status, output, errors = switch.end()
    assert (status, output) == (1, "")
    assert errors.count("media worker 0 ended with status 4") == 6
    assert "media worker 0 KEEPS DYING" in errors
    assert "Traceback" not in errors


def test_a_killed_switch_can_be_started_again(switch: Switch) -> None:
    """After kill -9 of the supervisor the same configuration starts once its children have ended."""
    switch.ready()
    pids = [switch.ask()["pid"], switch.ask(port=RTP)["pid"]]
    switch.signal(signal.SIGKILL)
    switch.end()
    eventually(lambda: not any(alive(pid) for pid in pids), "the end of the children")
    switch.ready()
    assert switch.ask()["pid"] not in pids
