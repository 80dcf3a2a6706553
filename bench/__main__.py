"""`python -m bench`: the demonstration call, and load with figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench import call

_EXAMPLES = """\
examples:
  python -m bench call                                  a call through the switch that `make run` started
  python -m bench call --target 127.0.0.1:5560 --no-cdr --password secret
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("call", help="one demonstration call, shown as it happens", description=call.__doc__)
    call.add_arguments(one)
    one.set_defaults(run=call.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = parser().parse_args(arguments)
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
