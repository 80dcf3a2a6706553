"""python -m media.worker: started by the supervisor."""

from __future__ import annotations

import argparse
import gc
import os
import resource
import signal
import socket

# Before numpy is loaded: its threads would only wait.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from media.prompts import PromptStore
from media.worker.log import complain
from media.worker.loop import Loop

_SYNTHESISED = ("tone:ringback", "tone:busy")


def main() -> None:
    """Serves until the supervisor says stop."""
    parser = argparse.ArgumentParser(prog="python -m media.worker", description="Carries the audio of calls.")
    parser.add_argument("--id", type=int, required=True, help="number of this worker")
    parser.add_argument("--socket", required=True, help="Unix socket to be created for signalling")
    parser.add_argument("--supervisor-fd", type=int, required=True, help="inherited SEQPACKET socket")
    parser.add_argument("--address", default="127.0.0.1", help="address of the ports, as SDP tells it")
    parser.add_argument("--address6", default="", help="the same of those on IPv6 beside others on IPv4")
    parser.add_argument("--prompts", nargs="*", default=[], metavar="DIR", help="where prompts are found")
    parser.add_argument("--silence", type=float, default=60.0, help="seconds without RTP that are told")
    parser.add_argument("--speech", metavar="DIR", help="where rendered texts are found")
    parser.add_argument("--converted", metavar="DIR", help="where prompts of other formats are kept, converted")
    parser.add_argument("--recordings", metavar="DIR", help="where messages of mailboxes are found")
    parser.add_argument("--keys", metavar="DIR", help="where the keys of sealed messages are")
    parser.add_argument("--recorder", metavar="PATH", help="Unix socket of the recorder")
    arguments = parser.parse_args()
    # Draining comes by command: a signal to the whole group must not cut calls.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    prompts = PromptStore(
        arguments.prompts,
        speech=arguments.speech,
        converted=arguments.converted,
        recordings=arguments.recordings,
        keys=arguments.keys,
    )
    for error in prompts.preload():
        complain(f"worker {arguments.id}: {error}")
    for name in _SYNTHESISED:
        prompts.get(name)
    loop = Loop(
        number=arguments.id,
        path=arguments.socket,
        supervisor=socket.socket(fileno=arguments.supervisor_fd),
        address=arguments.address,
        address6=arguments.address6,
        prompts=prompts,
        silence=arguments.silence,
        recorder=arguments.recorder,
    )
    # Sessions make no cycles; the collector would only walk the prompts.
    gc.collect()
    gc.freeze()
    gc.disable()
    loop.run()


if __name__ == "__main__":
    main()
