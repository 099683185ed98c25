"""From a plan to a running engine, and what it taught: the deeds, their recovery, room and reuse. Edge."""
