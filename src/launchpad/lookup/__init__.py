"""What a name means: in a catalog, at a source, or a file on this machine; read from headers alone. Edge."""
