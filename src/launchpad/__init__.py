"""launchpad: one command from a bare machine to a conversation with the best open-weight model it can run."""

__version__ = "0.1.0"
