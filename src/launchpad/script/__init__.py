"""Scripted sessions: one file holds a conversation, its checks, its models and its output (`*.prompt.yml`).

`model` (data), `parse`, `variables`, `checks` and `report` are pure; `document` reads files, `runner` asks engines.
"""
