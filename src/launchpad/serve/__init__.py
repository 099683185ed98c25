"""The gateway: one steady, keyed, OpenAI- and Anthropic-compatible address in front of any engine."""
