"""PURE: why a model fits a machine or not, where its time goes, what would help, and what its figures rest on."""
