"""A plan for a cluster in the words of those who run clusters: manifests and commands. PURE."""
