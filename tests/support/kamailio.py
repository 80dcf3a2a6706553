"""A proxy that we did not write (Kamailio), between phones and the switch: it adds itself to Path and Record-Route."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_port

_MODULES = ("kex", "tm", "sl", "rr", "path", "pv", "siputils", "textops")

_CONFIG = """
debug=1
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:127.0.0.1:{port}
{modules}
modparam("path", "use_received", 1)
request_route {{
    if (is_method("CANCEL")) {{ t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); }} else if (is_method("ACK") && t_check_trans()) {{ t_relay(); }}
        exit;
    }}
    if (is_method("REGISTER")) {{
        add_path_received();
        $du = "sip:{target}";
        t_relay();
        exit;
    }}
    record_route();
    if ($sp == {switch}) {{ loose_route(); }} else {{ $du = "sip:{target}"; }}
    t_relay();
    exit;
}}
"""


def need_kamailio() -> None:
    """Skip the test, aloud, where the proxy is not installed."""
    if shutil.which("kamailio") is None:
        pytest.skip("kamailio is not installed: apt-get install kamailio")


@contextlib.contextmanager
def kamailio(directory: Path, target: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """A proxy in front of the switch; where it listens."""
    address = "127.0.0.1", free_port()
    file, log = directory / "kamailio.cfg", directory / "kamailio.log"
    modules = "\n".join(f'loadmodule "{name}.so"' for name in _MODULES)
    file.write_text(
        _CONFIG.format(port=address[1], modules=modules, target=f"{target[0]}:{target[1]}", switch=target[1])
    )
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["kamailio", "-f", str(file), "-DD", "-Y", str(directory), "-P", str(directory / "kamailio.pid")],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        _await_start(process, address, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_start(process: subprocess.Popen[bytes], address: tuple[str, int], log: Path) -> None:
    """Wait until its port is taken."""
    until = time.monotonic() + 15
    while _is_free(address):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)


def _is_free(address: tuple[str, int]) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return False
    return True
