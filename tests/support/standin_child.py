"""What both stand-in children share: the inherited channel, and answers to datagrams on any socket."""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys

import msgspec


class StandIn:
    """Obeys the supervisor's messages and words sent by UDP: ``facts``, ``die``, ``say {json}``."""

    def __init__(self, descriptor: int) -> None:
        self.channel = socket.socket(fileno=descriptor)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.channel, selectors.EVENT_READ)
        self.facts: dict[str, object] = {
            "pid": os.getpid(),
            "ppid": os.getppid(),
            "group": os.getpgrp(),
            "cores": sorted(os.sched_getaffinity(0)),
            "heard": [],
        }

    def tell(self, message: dict[str, object]) -> None:
        """Send to the supervisor."""
        self.channel.send(msgspec.msgpack.encode(message))

    def serve(self) -> None:
        """Until the supervisor says stop or is gone."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.channel:
                    payload, descriptors, _, _ = socket.recv_fds(self.channel, 65536, 256)
                    if not payload:
                        sys.exit(0)
                    self.obey(msgspec.msgpack.decode(payload), descriptors)
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    data, source = key.fileobj.recvfrom(65536)
                    self.answer(key.fileobj, data.decode(), source)

    def obey(self, message: dict[str, object], descriptors: list[int]) -> None:
        """Remember the message; take the descriptors as UDP sockets."""
        heard = self.facts["heard"]
        assert isinstance(heard, list)
        heard.append(message)
        for descriptor in descriptors:
            self.selector.register(socket.socket(fileno=descriptor), selectors.EVENT_READ)
        if message.get("stop"):
            sys.exit(0)

    def answer(self, sock: socket.socket, words: str, source: tuple[str, int]) -> None:
        """Do what a test asks for."""
        command, _, rest = words.partition(" ")
        if command == "die":
            os._exit(7)
        if command == "say":
            self.tell(json.loads(rest))
        sock.sendto(json.dumps(self.facts).encode(), source)
