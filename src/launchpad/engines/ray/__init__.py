"""An engine that is a job of a live Ray cluster, and the small process here that stands for it."""
