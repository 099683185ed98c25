"""Conversations with a running engine: client, sessions, transcripts, the terminal chat and one-shot answers."""
