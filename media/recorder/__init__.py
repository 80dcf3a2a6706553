"""The recorder: one process that turns what media workers copy to it into wav files."""
