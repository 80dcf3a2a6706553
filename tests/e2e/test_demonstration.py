"""`python -m bench call`, as `make call` runs it, against a running switch: its output and its exit status."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Phone, Refuse
from tests.support.ports import free_port
from tests.support.switch import PROJECT, RunningSwitch, running_switch

NUMBER, OTHER_NUMBER = "4008001234", "4008001235"
DESKS = {"800001": "alice", "800002": "bob", "800003": "carol", "800004": "dave"}


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with a phone for each demonstration."""
    changes = {
        "accounts": [{"user": user, "password": f"{user}-secret"} for user in DESKS.values()],
        "numbers": [{"number": number, "flow": "extension"} for number in (NUMBER, OTHER_NUMBER)],
        "masks": [
            {"number": number, "extension": extension, "target": f"aor:{user}"}
            for number in (NUMBER, OTHER_NUMBER)
            for extension, user in DESKS.items()
        ],
    }
    with running_switch(tmp_path_factory.mktemp("switch"), **changes) as running:
        yield running


async def demonstrate(
    target: tuple[str, int], database: Path, user: str, extension: str, *more: str
) -> tuple[int, str]:
    """Run the demonstration; its exit status and what it printed."""
    command = [sys.executable, "-m", "bench", "call", "--target", f"{target[0]}:{target[1]}"]
    command += ["--database", str(database), "--carrier", f"127.0.0.1:{free_port()}", "--seconds", "1"]
    command += ["--user", user, "--password", f"{user}-secret", "--extension", extension, *more]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(40):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_the_demonstration_tells_a_right_call_from_a_wrong_one(switch: RunningSwitch) -> None:
    """Status 0, ladder, figures and record; status 1 and the fault when the agent refuses or no switch runs."""
    database = switch.store / "switchboard.db"
    async with await Phone.open(
        "dave", target=switch.target, password="dave-secret", domain="switchboard.local"
    ) as dave:
        dave.behaviour = Refuse(486)
        await dave.register()
        right, no_record, refused, wrong_password, no_switch = await asyncio.gather(
            demonstrate(switch.target, database, "alice", "800001"),
            demonstrate(switch.target, switch.directory / "nowhere.db", "bob", "800002", "--number", OTHER_NUMBER),
            demonstrate(switch.target, database, "carol", "800004"),
            demonstrate(switch.target, database, "dave", "800004", "--password", "guessed"),
            demonstrate(("127.0.0.1", free_port()), database, "alice", "800001"),
        )
        assert len(dave.received("INVITE")) == 1
    status, output = right
    assert status == 0, output
    for shown in ("REGISTER", "INVITE", "180 Ringing", "post-dial delay", "transfer latency", "call detail record"):
        assert shown in output
    assert "right in every respect" in output
    for (status, output), said in (
        (no_record, "no such file; name the switch's database by --database"),
        (refused, "no INVITE reached carol"),
        (wrong_password, "REGISTER was answered 401"),
        (no_switch, "nothing listens at 127.0.0.1:"),
    ):
        assert status == 1, output
        assert said in " ".join(output.split()), output
        assert "Traceback" not in output
    await switch.nothing_left()
