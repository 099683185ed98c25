"""Models, their builds, and how people name them."""
