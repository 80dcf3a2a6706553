"""Commands to rtpengine: sent again, answered once, given up, never too many at a time."""

from __future__ import annotations

import pytest

from media.rtpengine.bencode import BencodeError, encode
from media.rtpengine.transactions import FIRST_WAIT, MOST, WINDOW, Reply, Transactions


class Asked:
    """A client, and what was answered."""

    def __init__(self) -> None:
        self.transactions = Transactions("me", 2.0)
        self.answers: list[Reply | None] = []

    def ask(self, count: int = 1, now: float = 0.0) -> None:
        for _ in range(count):
            self.transactions.ask({"command": "ping"}, self.answers.append, now)

    def cookies(self) -> list[bytes]:
        return [datagram.partition(b" ")[0] for datagram in self.transactions.to_send()]


def pong(cookie: bytes) -> bytes:
    """The answer to a ping."""
    return cookie + b" " + encode({"result": "pong"})


def test_an_answer_ends_a_command() -> None:
    """It is told once, however often it comes."""
    asked = Asked()
    asked.ask()
    (datagram,) = asked.transactions.to_send()
    cookie, _, body = datagram.partition(b" ")
    assert body == b"d7:command4:pinge"
    for _ in range(2):
        asked.transactions.receive(pong(cookie), 0.01)
    assert asked.answers == [{"result": "pong"}]
    assert asked.transactions.next_deadline() is None


def test_what_is_unanswered_is_sent_again_and_given_up() -> None:
    """Under the same cookie, each time after twice the time."""
    asked = Asked()
    asked.ask()
    first = asked.cookies()
    sent = []
    while (at := asked.transactions.next_deadline()) is not None:
        asked.transactions.handle_timer(at)
        sent += [(round(at, 3), cookie) for cookie in asked.cookies()]
    assert sent == [(round(FIRST_WAIT * times, 3), first[0]) for times in (1, 3, 7, 15)]
    assert asked.answers == [None]


def test_no_two_commands_share_a_cookie() -> None:
    """rtpengine would answer the second as it did the first."""
    asked = Asked()
    asked.ask(WINDOW)
    assert len(set(asked.cookies())) == WINDOW


def test_only_so_many_are_under_way() -> None:
    """The others follow as answers come, or fail to; beyond a bound they fail at once."""
    asked = Asked()
    asked.ask(MOST + 1)
    assert asked.answers == [None]
    under_way = asked.cookies()
    assert len(under_way) == WINDOW
    asked.transactions.receive(pong(under_way[0]), 0.01)
    assert len(asked.cookies()) == 1
    asked.transactions.handle_timer(2.0)
    assert asked.answers.count(None) == 1 + (WINDOW - 1)
    assert len(asked.transactions) == MOST - WINDOW
    assert asked.transactions.next_deadline() == pytest.approx(2.0, abs=0.11)


@pytest.mark.parametrize("body", [b"", b"i1e", b"d", b"le"])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    """The command waits for a better one."""
    asked = Asked()
    asked.ask()
    (cookie,) = asked.cookies()
    with pytest.raises(BencodeError):
        asked.transactions.receive(cookie + b" " + body, 0.01)
    assert asked.answers == []
    asked.transactions.receive(pong(cookie), 0.02)
    assert asked.answers == [{"result": "pong"}]
