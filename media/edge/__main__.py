"""python -m media.edge: started by the supervisor."""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import signal
import socket
import time
from typing import Final

import uvloop

from media.edge.endpoints import Endpoints, Place
from media.edge.signalling import Signalling
from media.worker.supervisor import Supervisor

LOOK_EVERY: Final = 0.5
"""Seconds between two looks whether anybody is left to serve, the supervisor being gone."""


async def serve(path: str, place: Place, supervisor: Supervisor) -> None:
    """Serves until told to stop, or until no session is left where nobody could tell."""
    loop = asyncio.get_running_loop()
    endpoints = Endpoints(place)
    signalling = Signalling(path, place.inside, endpoints)
    await signalling.open()
    stopped = asyncio.Event()

    def ordered() -> None:
        supervisor.read(time.monotonic())
        if supervisor.gone:
            loop.remove_reader(descriptor)
        if supervisor.stopped or supervisor.gone:
            stopped.set()

    descriptor = supervisor.sock.fileno()
    loop.add_reader(descriptor, ordered)
    supervisor.ready()
    gc.collect()
    gc.freeze()
    await stopped.wait()
    while not supervisor.stopped and (signalling.connection is not None or endpoints.busy()):  # noqa: ASYNC110
        # Without its supervisor it serves the sessions there are, and whoever signals for them.
        await asyncio.sleep(LOOK_EVERY)
    signalling.close()
    await endpoints.close()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m media.edge", description="Where browsers' audio arrives.")
    parser.add_argument("--socket", required=True, help="Unix socket to be created for signalling")
    parser.add_argument("--supervisor-fd", type=int, required=True, help="inherited SEQPACKET socket")
    parser.add_argument("--addresses", nargs="+", required=True, help="local addresses that browsers reach")
    parser.add_argument("--external", default="", help="how the first is seen from beyond a NAT that keeps ports")
    parser.add_argument("--ports", nargs=2, type=int, required=True, metavar=("FIRST", "LAST"))
    parser.add_argument("--inside", default="127.0.0.1", help="address towards the media workers: theirs")
    parser.add_argument("--sessions", type=int, default=500, help="browsers at once")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds for finding a path and shaking hands")
    arguments = parser.parse_args()
    # Draining comes by command: a signal to the whole group must not cut calls.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    first, last = arguments.ports
    place = Place(
        addresses=tuple(arguments.addresses),
        external=arguments.external,
        first_port=first,
        last_port=last,
        inside=arguments.inside,
        sessions=arguments.sessions,
        patience=arguments.patience,
    )
    supervisor = Supervisor(socket.socket(fileno=arguments.supervisor_fd), "edge")
    uvloop.run(serve(arguments.socket, place, supervisor))


if __name__ == "__main__":
    main()
