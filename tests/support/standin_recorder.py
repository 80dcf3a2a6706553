"""Stand-in for the recorder: ready at once, records nothing."""

from __future__ import annotations

import argparse

from tests.support.standin_child import StandIn

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket")
    parser.add_argument("--directory", nargs="*")
    parser.add_argument("--spool")
    parser.add_argument("--keys")
    parser.add_argument("--ogg", action="store_true")
    parser.add_argument("--seal", action="store_true")
    parser.add_argument("--supervisor-fd", type=int)
    child = StandIn(parser.parse_args().supervisor_fd)
    child.tell({"ready": True})
    child.serve()
