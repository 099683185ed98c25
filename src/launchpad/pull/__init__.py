"""Resumable, verified downloads into the Hugging Face cache layout, and what is already on disk."""
