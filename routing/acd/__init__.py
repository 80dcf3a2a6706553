"""Skill-group queues and agents: a pure engine, `event + now -> actions`."""
