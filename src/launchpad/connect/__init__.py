"""Coding agents: what they need of a model, how they are pointed at the gateway, and how that is taken back."""
