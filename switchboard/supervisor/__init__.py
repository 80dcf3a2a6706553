"""The small process that owns the sockets and starts, watches and stops the others."""

from switchboard.supervisor.run import Modules, run

__all__ = ["Modules", "run"]
