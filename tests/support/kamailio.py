"""Kamailio, a proxy and registrar that we did not write, run by a configuration of the tests."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.target import listens
from tests.support.ports import free_port

MODULES = next((path for path in Path("/usr/lib").glob("*/kamailio/modules")), None)
_EDGE_MODULES = ("kex", "tm", "sl", "rr", "path", "pv", "siputils", "textops")

_EDGE = """
debug=1
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:127.0.0.1:@port@
mpath="@modules@"
@loads@
modparam("path", "use_received", 1)
request_route {
    if (is_method("CANCEL")) { t_relay(); exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); } else if (is_method("ACK") && t_check_trans()) { t_relay(); }
        exit;
    }
    if (is_method("REGISTER")) {
        add_path_received();
        $du = "sip:@target@";
        t_relay();
        exit;
    }
    record_route();
    if ($sp == @switch@) { loose_route(); } else { $du = "sip:@target@"; }
    t_relay();
    exit;
}
"""


def need_kamailio() -> None:
    """Skip the test, aloud, where it is not installed."""
    if shutil.which("kamailio") is None or MODULES is None:
        pytest.skip("Kamailio is not installed: apt-get install kamailio")


@contextlib.contextmanager
def kamailio(config: str, directory: Path, address: tuple[str, int], **words: object) -> Iterator[None]:
    """Run it at an address until the end of the context; `words` stand between @ signs in the configuration."""
    need_kamailio()
    for word, value in {"host": address[0], "port": address[1], "modules": MODULES, **words}.items():
        config = config.replace(f"@{word}@", str(value))
    file, log = directory / "kamailio.cfg", directory / "kamailio.log"
    file.write_text(config)
    line = ["kamailio", "-f", str(file), "-DD", "-E", "-m", "32", "-M", "4", "-Y", str(directory)]
    with log.open("wb") as out:
        process = subprocess.Popen(line, cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        until = time.monotonic() + 15
        while not listens(address):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def edge_proxy(directory: Path, target: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """A proxy between phones and the switch, which adds itself to Path and Record-Route; where it listens."""
    address = "127.0.0.1", free_port()
    loads = "\n".join(f'loadmodule "{name}.so"' for name in _EDGE_MODULES)
    words = {"loads": loads, "target": f"{target[0]}:{target[1]}", "switch": target[1]}
    with kamailio(_EDGE, directory, address, **words):
        yield address
