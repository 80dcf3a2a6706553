"""How much longer than on an idle machine anything may take."""

from typing import Final

PATIENCE: Final = 4.0
"""By this every time is multiplied after which a test gives something up: others may be at work on the machine, too."""
