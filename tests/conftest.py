"""What holds for all tests."""

from hypothesis import settings

# How long an example takes is a matter of the machine; what must be quick is counted, not timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
