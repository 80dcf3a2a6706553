"""Where load is sent: an address given on the command line."""

from __future__ import annotations

import argparse


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; the port is 5060 unless given."""
    host, _, port = text.partition(":")
    if not host or not (port or "5060").isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port or 5060)
