"""From candidates to a pick, and why: PURE. The reasons: docs/explanation/choice.md."""
