"""`python -m bench call`, as `make call` runs it, against a running switch: its output and its exit status."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from bench.phone import Phone, Refuse
from tests.support.switch import PROJECT, RunningSwitch, free_port


async def demonstrate(target: tuple[str, int], database: Path, *extra: str) -> tuple[int, str]:
    """Run the demonstration; its exit status and what it printed."""
    command = [sys.executable, "-m", "bench", "call", "--target", f"{target[0]}:{target[1]}"]
    command += ["--database", str(database), "--carrier", f"127.0.0.1:{free_port()}", "--seconds", "1"]
    process = await asyncio.create_subprocess_exec(
        *command, "--password", "alice-secret", *extra,
        cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(40):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def database(switch: RunningSwitch) -> Path:
    """Where the switch keeps its records."""
    return switch.store / "switchboard.db"


async def test_the_demonstration_call_is_right_in_every_respect(switch: RunningSwitch) -> None:
    """Exit status 0, the ladder, the figures and the record are shown."""
    status, output = await demonstrate(switch.target, database(switch))
    assert status == 0, output
    for shown in ("REGISTER", "INVITE", "180 Ringing", "post-dial delay", "transfer latency", "call detail record"):
        assert shown in output
    assert "right in every respect" in output
    assert "Traceback" not in output
    await switch.nothing_left()


async def test_the_demonstration_says_what_is_wrong(switch: RunningSwitch) -> None:
    """Exit status 1 and one line for an agent that refuses, a wrong password, no record, and no switch at all."""
    async with await Phone.open("bob", target=switch.target, password="bob-secret", domain="switchboard.local") as bob:
        bob.behaviour = Refuse(486)
        await bob.register()
        refused, wrong_password, no_switch = await asyncio.gather(
            demonstrate(switch.target, database(switch), "--extension", "800002"),
            demonstrate(switch.target, database(switch), "--password", "guessed"),
            demonstrate(("127.0.0.1", free_port()), database(switch)),
        )
        assert len(bob.received("INVITE")) == 1
    no_record = await demonstrate(switch.target, switch.directory / "nowhere.db")
    for (status, output), said in (
        (refused, "no INVITE reached alice"),
        (wrong_password, "REGISTER was answered 401"),
        (no_record, "no such file; name the switch's database by --database"),
        (no_switch, "nothing listens at 127.0.0.1:"),
    ):
        assert status == 1, output
        assert said in " ".join(output.split()), output
        assert "Traceback" not in output
    await switch.nothing_left()
