"""Stands in for a media worker: answers on every RTP and RTCP socket; a store named ``broken`` ends it."""

from __future__ import annotations

import argparse
import socket
import sys

from tests.support.standin_child import StandIn


def main() -> None:
    """Start as the supervisor starts us."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", type=int)
    parser.add_argument("--socket")
    parser.add_argument("--address")
    parser.add_argument("--silence", type=float)
    parser.add_argument("--recorder")
    parser.add_argument("--recordings")
    parser.add_argument("--keys")
    parser.add_argument("--speech")
    parser.add_argument("--converted")
    parser.add_argument("--prompts", nargs="+")
    parser.add_argument("--supervisor-fd", type=int)
    options = parser.parse_args()
    if "broken" in options.socket:
        sys.exit(4)
    child = StandIn(options.supervisor_fd)
    child.facts["id"] = options.id
    child.facts["silence"] = options.silence
    child.facts["prompts"] = options.prompts
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(options.socket)
    child.tell({"ready": True})
    child.serve()


if __name__ == "__main__":
    main()
