"""`switchboard flows draw`."""
