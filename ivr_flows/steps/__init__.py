"""What each kind of node does, by family: on being entered, and on what happens while a position waits there.

A family's ENTER gives what is done on entering a node, its TRANSITIONS what is done in a state when an event comes.
Both return the name of the next node, or "" to wait.
"""
