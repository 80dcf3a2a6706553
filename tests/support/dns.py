"""A DNS server for tests: dnsmasq on loopback, with the records that a test wants and nothing else."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import pytest

from tests.support.ports import free_port


def need_dnsmasq() -> None:
    """Skip the test, aloud, where dnsmasq is missing."""
    if shutil.which("dnsmasq") is None:
        pytest.skip("dnsmasq is not installed: apt-get install dnsmasq-base")


class NameServer:
    """One dnsmasq; `records` are options as its manual has them, such as `host-record=a.test,127.0.0.1`."""

    def __init__(self, records: Sequence[str], ttl: int = 60) -> None:
        need_dnsmasq()
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._command = [
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--pid-file=",
            "--user=",
            "--bind-interfaces",
            "--listen-address=127.0.0.1",
            f"--port={self.port}",
            f"--local-ttl={ttl}",
            "--local=/test/",
            *(f"--{record}" for record in records),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Begin to answer; returns when it does."""
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError("dnsmasq did not start")
            time.sleep(0.02)

    def stop(self) -> None:
        """Fall silent."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(5)
            self._process = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listens(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0
