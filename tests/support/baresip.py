"""baresip, a softphone we did not write, without a sound card: it plays a tone and writes down what it hears."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Pair
from tests.support.patience import PATIENCE
from tests.support.ports import free_media_port, free_port

MODULES = Path("/usr/lib/baresip/modules")
TONE = 660
PORTS = 8
"""Media ports that it may use."""

_CONFIG = """
poll_method epoll
sip_listen 127.0.0.1:{sip}
{tls}net_interface 127.0.0.1
call_max_calls 2
audio_player aubridge,nobody
audio_source ausine,{tone}
audio_alert aubridge,nobody
ausrc_srate 48000
auplay_srate 8000
ausrc_channels 2
auplay_channels 1
rtp_ports {first}-{last}
rtcp_mux no
jitter_buffer_delay 1-5
snd_path {directory}
module_path {modules}
module opus.so
module g722.so
module g711.so
module ausine.so
module aubridge.so
module sndfile.so
module srtp.so
module_tmp account.so
module_app menu.so
module ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


def need_baresip() -> None:
    """Skip the test, aloud, where it is not installed."""
    if shutil.which("baresip") is None or not (MODULES / "srtp.so").exists():
        pytest.skip("baresip is not installed: apt-get install baresip-core")


class Baresip:
    """The process, and the connection over which it is told what to do and tells what happens."""

    def __init__(self, directory: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.directory = directory
        self._reader = reader
        self._writer = writer
        self.seen: list[str] = []

    def tell(self, command: str, params: str = "") -> None:
        """Give it a command of its menu, such as `dial`, `accept`, `hangup`, `hold` and `resume`."""
        text = json.dumps({"command": command, "params": params})
        self._writer.write(f"{len(text)}:{text},".encode())

    async def event(self, kind: str, within: float = 8.0) -> dict[str, Any]:
        """The next event of a kind; those before it are only kept."""
        try:
            async with asyncio.timeout(PATIENCE * within):
                while True:
                    size = int((await self._reader.readuntil(b":"))[:-1])
                    told: dict[str, Any] = json.loads((await self._reader.readexactly(size + 1))[:-1])
                    self.seen.append(str(told.get("type") or told))
                    if told.get("type") == kind:
                        return told
        except (TimeoutError, asyncio.IncompleteReadError):
            raise AssertionError(f"baresip did not tell {kind!r}: {self.seen}\n{self.log()}") from None

    async def registered(self, within: float = 10.0) -> None:
        """Wait until it is; it may have told that by an event before anybody listened."""
        async with asyncio.timeout(PATIENCE * within):
            while "binding]" not in self.log():
                await asyncio.sleep(0.05)

    def log(self) -> str:
        """The end of what it printed."""
        return (self.directory / "baresip.log").read_text(errors="replace")[-4000:]

    def heard(self) -> list[Path]:
        """A file for each stream it has heard, whole once the call is over."""
        return sorted(self.directory.glob("dump-*-dec.wav"), key=lambda file: file.stat().st_mtime_ns)


class Place:
    """Where a baresip listens by TLS, and for audio."""

    def __init__(self) -> None:
        self._first = free_media_port(PORTS + 2)
        self.udp, self.tls = self._first, self._first + 1
        self.media = self._first + 2, self._first + PORTS + 1


@contextlib.asynccontextmanager
async def baresip(
    directory: Path,
    place: Place,
    user: str,
    target: tuple[str, int],
    *,
    authority: Path | None = None,
    pair: Pair | None = None,
    codecs: str = "PCMA/8000/1",
    password: str = "",
    domain: str = "127.0.0.1",
    tone: int = TONE,
) -> AsyncIterator[Baresip]:
    """A phone that is `user` and calls by `target`: over TLS, demanding SRTP, if `authority` or a certificate is given.

    With a password it registers; without, it is a gateway that registers nowhere. (It knows no digest but MD5, and
    gives up where it is challenged by another one as well.)
    """
    control = free_port()
    tls, by, secured = "", "", ""
    if authority is not None:
        tls, by, secured = f"sip_cafile {authority}\n", ";transport=tls", "mediaenc=srtp-mand;"
    if pair is not None:
        both = directory / "both.pem"
        both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
        tls += f"sip_certificate {both}\n"
    registers = f"auth_pass={password};regint=600" if password else "regint=0"
    (directory / "contacts").write_text("")
    (directory / "accounts").write_text(
        f'<sip:{user}@{domain}{by}>;outbound="sip:{target[0]}:{target[1]}{by}"'
        f";{secured}{registers};audio_codecs={codecs}\n"
    )
    (directory / "config").write_text(
        _CONFIG.format(
            sip=place.udp, tls=tls, tone=tone, first=place.media[0],
            last=place.media[1], directory=directory, modules=MODULES, control=control,
        )
    )  # fmt: skip
    with (directory / "baresip.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "baresip", "-f", str(directory), "-v",
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory,
        )  # fmt: skip
    writer = None
    try:
        reader, writer = await _connect(control)
        phone = Baresip(directory, reader, writer)
        if password:
            await phone.registered()
        yield phone
        phone.tell("quit")
        await asyncio.wait_for(process.wait(), PATIENCE * 10)
    finally:
        if writer is not None:
            writer.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(PATIENCE * 10):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
