"""python -m media.recorder: started by the supervisor."""

from __future__ import annotations

import argparse
import os
import signal
import socket
from pathlib import Path

# Before numpy is loaded: its threads would only wait.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from media.recorder.files import Files
from media.recorder.loop import Loop
from media.recording_keys import KeyRing


def main() -> None:
    """Serves until the supervisor says stop."""
    parser = argparse.ArgumentParser(prog="python -m media.recorder", description="Writes what is said to wav files.")
    parser.add_argument("--socket", required=True, help="Unix socket to be created for media workers")
    parser.add_argument("--supervisor-fd", type=int, help="inherited SEQPACKET socket")
    parser.add_argument(
        "--directory", nargs="*", type=Path, default=[], metavar="DIR",
        help="where a recorder before this one may have left unfinished files",
    )  # fmt: skip
    parser.add_argument("--spool", type=Path, metavar="DIR", help="where complete files are told of")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="where the keys of sealed files are")
    parser.add_argument("--seal", action="store_true", help="seal what is written from now on")
    parser.add_argument("--ogg", action="store_true", help="make ogg files of complete recordings of calls")
    arguments = parser.parse_args()
    # Whatever is made here, directories above a recording's as well, is for this user alone.
    os.umask(0o077)
    # Draining comes by command: a signal to the whole group must not cut recordings.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    supervisor = None if arguments.supervisor_fd is None else socket.socket(fileno=arguments.supervisor_fd)
    keys = None if arguments.keys is None else KeyRing(arguments.keys)
    files = Files(keys, seal=arguments.seal)
    Loop(arguments.socket, supervisor, arguments.directory, arguments.spool, files, keys, arguments.ogg).run()


if __name__ == "__main__":
    main()
