"""Commands that ask the running switch over its API: login, agents, queues, live calls, transfer, top."""
