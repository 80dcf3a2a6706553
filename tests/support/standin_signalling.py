"""Stands in for signalling: answers on the SIP sockets; a config named ``broken*`` makes it fail at start."""

from __future__ import annotations

import argparse
import os
import time

from tests.support.standin_child import StandIn


class Signalling(StandIn):
    """Ready as soon as it has its sockets; drains when a test says so."""

    def obey(self, message: dict[str, object], descriptors: list[int]) -> None:
        """Report ready after the first message."""
        super().obey(message, descriptors)
        if "listen" in message:
            self.tell({"ready": True, "seconds": 0.01})


def main() -> None:
    """Start as the supervisor starts us."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    parser.add_argument("--supervisor-fd", type=int)
    options = parser.parse_args()
    name = os.path.basename(options.config)
    child = Signalling(options.supervisor_fd)
    child.facts["config"] = options.config
    if name.startswith("broken-silent"):
        os._exit(3)
    if name.startswith("broken"):
        child.tell({"failed": "flow 'x' is unknown"})
        time.sleep(30)
    child.serve()


if __name__ == "__main__":
    main()
