"""The media worker: one process, one epoll loop, the audio of some hundred calls."""
