"""A warm process that answers over HTTP, and the client that asks it."""
