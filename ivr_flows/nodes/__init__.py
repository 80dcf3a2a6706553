"""The kinds of nodes, by family."""
