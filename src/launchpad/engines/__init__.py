"""Engines as child processes: the guard, one state machine, readiness by progress, read-back, records."""
