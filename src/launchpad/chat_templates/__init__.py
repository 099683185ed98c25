"""Chat templates: code inside a model that decides what it is told. They are hashed and compared here, never rendered."""
