"""A softphone we did not write (pjsua2), in a process of its own: it brings threads and native code."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
import wave
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Pair
from tests.support.patience import PATIENCE
from tests.support.ports import free_softphone_port
from tests.support.sounds import Sound, read_wav

PROJECT = Path(__file__).parents[2]
PROGRAM = "tests.support.pjsua_agent"
TONE = 880
"""What it plays to the far side, in hertz."""


def need_pjsua() -> None:
    """Skip the test, aloud, where the softphone is not installed."""
    if importlib.util.find_spec("pjsua2") is None:
        pytest.skip("pjsua2 is not installed: .venv/bin/pip install -c constraints.txt pjsua2-python")


class Softphone:
    """The process and what it has told so far."""

    def __init__(self, process: asyncio.subprocess.Process, recording: Path, log: Path, tone: int = TONE) -> None:
        self.process = process
        self.tone = tone
        self.ears = 0
        self.recording = recording
        self.log = log
        self.seen: list[dict[str, Any]] = []

    async def event(self, name: str, within: float = 8.0, call: int | None = None) -> dict[str, Any]:
        """The next event of this name, and of this call if one is given; those before it are only kept."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE * within):
                while line := await self.process.stdout.readline():
                    told: dict[str, Any] = json.loads(line)
                    self.seen.append(told)
                    if told["event"] == name and call in (None, told.get("call")):
                        return told
        except TimeoutError:
            raise AssertionError(f"the softphone did not tell {name!r} within {within:g} s: {self.seen}") from None
        raise AssertionError(f"the softphone ended before it told {name!r}: {self.seen}")

    def saw(self, name: str, call: int | None = None) -> list[dict[str, Any]]:
        """The events of this name so far."""
        return [told for told in self.seen if told["event"] == name and call in (None, told.get("call"))]

    async def listen(self, call: int = 0, seconds: float = 0.6) -> Sound:
        """What it hears in a call from now on, for so long."""
        self.ears += 1
        file = self.recording.with_name(f"{self.recording.stem}-ear{self.ears}.wav")
        self.tell(f"listen:{call} {round(seconds * 1000)} {file}")
        await self.event("listened", call=call)
        # The library closes the file a little later, in a thread of its own.
        async with asyncio.timeout(PATIENCE * 2):
            while True:
                with contextlib.suppress(wave.Error, EOFError):
                    return read_wav(file)[:, 0]
                await asyncio.sleep(0.02)

    def tell(self, command: str) -> None:
        """Give it a command; the list is in its program."""
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")

    def codecs(self) -> list[str]:
        """The codec of each audio stream so far."""
        return [told["codec"] for told in self.seen if told["event"] == "media"]

    def traffic(self) -> str:
        """Its own log with every message sent and received."""
        return self.log.read_text()

    def heard(self) -> list[int]:
        """The samples of the far side; its recording is whole once the phone has quit."""
        with wave.open(str(self.recording)) as file:
            return list(array("h", file.readframes(file.getnframes())))


@contextlib.asynccontextmanager
async def softphone(
    directory: Path,
    user: str,
    password: str,
    target: tuple[str, int],
    algorithm: str = "",
    *,
    tone: int = TONE,
    lamp: bool = False,
    by: str = "",
    authority: Path | None = None,
    pair: Pair | None = None,
    srtp: str = "",
    codecs: str = "",
) -> AsyncIterator[Softphone]:
    """A softphone that has registered and plays a tone in its calls; it takes its registration back at the end.

    It speaks UDP, or "tcp" or "tls" if `by` says so, and over TLS trusts `authority` alone and shows `pair`. `srtp` is
    "optional" or "mandatory". `codecs`, divided by commas, are those it has, as the library names them; all but A-law
    first else.
    """
    recording, log = directory / f"{user}.wav", directory / f"{user}.pjsua.log"
    command = [sys.executable, "-m", PROGRAM, user, password, f"{target[0]}:{target[1]}"]
    rtp = str(free_softphone_port())
    with (directory / f"{user}.pjsua.err").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, str(recording), str(log), algorithm, str(tone), rtp, "lamp" if lamp else "", by,
            str(authority or ""), srtp, codecs, *((str(pair.certificate), str(pair.key)) if pair is not None else ()),
            cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    phone = Softphone(process, recording, log, tone)
    try:
        registered = await phone.event("registered")
        assert registered["status"] == 200, phone.traffic()[-4000:]
        yield phone
        phone.tell("quit")
        await asyncio.wait_for(process.wait(), PATIENCE * 10)
        assert process.returncode == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # Reads to the end of the pipe, so that its transport is closed with it.
        await process.communicate()
