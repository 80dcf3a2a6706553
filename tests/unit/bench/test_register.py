"""The phones of the storm, against a registrar made of a few lines."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator

import pytest

from bench.errors import BenchError
from bench.register import Storm, configuration
from bench.register_phones import Phones, Seen, host, password, user
from bench.wire import authorization
from tests.support.ports import free_port

DOMAIN = "switchboard.local"
CHALLENGE = 'Digest realm="switchboard.local", nonce="n1", algorithm=SHA-256, qop="auth"'


class Registrar:
    """Challenges every first REGISTER of a phone, drops some, takes or refuses the others."""

    def __init__(self, drop: int = 0, status: int = 200) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.drop, self.status = drop, status
        self.sources: set[str] = set()
        self.proofs: list[str] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._ends.set()
        self._thread.join()
        self.socket.close()

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                data, source = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            if self.drop:
                self.drop -= 1
                continue
            text = data.decode()
            self.sources.add(source[0])
            proof = re.search(r"Authorization: (.*)\r\n", text)
            lines = [line for line in text.split("\r\n") if line.startswith(("Via", "From", "To", "Call-ID", "CSeq"))]
            if proof is None:
                first = f"SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: {CHALLENGE}\r\n"
            else:
                self.proofs.append(proof[1])
                first = f"SIP/2.0 {self.status} So\r\n"
            self.socket.sendto((first + "\r\n".join([*lines, "", ""])).encode(), source)


@pytest.fixture
def registrars() -> Iterator[list[Registrar]]:
    """Those that a test has started."""
    started: list[Registrar] = []
    yield started
    for one in started:
        one.close()


def phones(registrar: Registrar, count: int) -> Phones:
    """So many phones of it."""
    return Phones(count, registrar.socket.getsockname(), DOMAIN, port=free_port(), t1=0.05)


def test_all_register_and_refresh(registrars: list[Registrar]) -> None:
    """Each from its own address, with its own password; what is lost is sent again."""
    registrars.append(registrar := Registrar(drop=3))
    load = phones(registrar, 20)
    try:
        seen = load.storm(lambda done: None)
        assert (seen.finals[401], seen.finals[200], seen.failures) == (20, 20, 0)
        assert seen.retransmissions >= 3
        assert seen.percentile(0.5) <= seen.percentile(0.99)
        assert registrar.sources == {host(number) for number in range(20)}
        assert len(registrar.proofs) == 20
        seen = load.refresh(200, 0.1, lambda done: None)
        assert (seen.finals[200], seen.answered) == (20, 20)
        assert all("nc=00000002" in proof for proof in registrar.proofs[20:40])
    finally:
        load.close()
    proof = next(one for one in registrar.proofs if f'username="{user(7)}"' in one and "nc=00000001" in one)
    ours = authorization(CHALLENGE, "REGISTER", f"sip:{DOMAIN}", user(7), password(7), cnonce="00000007")
    given = re.search(r'response="(\w+)"', proof)
    assert given is not None
    assert f'response="{given[1]}"' in ours


def test_refused(registrars: list[Registrar]) -> None:
    """A phone that is not taken is a failure, and does not try for ever."""
    registrars.append(registrar := Registrar(status=403))
    load = phones(registrar, 5)
    try:
        seen = load.storm(lambda done: None)
    finally:
        load.close()
    assert (seen.finals[403], seen.failures) == (5, 5)


def test_nothing_was_measured() -> None:
    """Zero, and not an error."""
    assert Seen().percentile(0.99) == 0.0


def test_too_many() -> None:
    """There are only so many addresses."""
    with pytest.raises(BenchError):
        Phones(0, ("127.0.0.1", 1), DOMAIN)


def test_a_port_that_is_taken() -> None:
    """It is said."""
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", port))
        with pytest.raises(BenchError, match="cannot be bound"):
            Phones(1, ("127.0.0.1", 1), DOMAIN, port=port)


def test_the_switch_has_an_account_for_each() -> None:
    """With its password, and calls go beside."""
    made = configuration(Storm(phones=3), "/tmp/store")
    assert [(one["user"], one["password"]) for one in made["accounts"]] == [(user(n), password(n)) for n in range(3)]
    assert Storm(calls=5, seconds=10).dialled.total == 150
