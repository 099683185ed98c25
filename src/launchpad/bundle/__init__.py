"""A model with its record in one file, for machines without a network."""
