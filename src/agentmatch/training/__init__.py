"""Teach an encoder which agent a request belongs to (needs torch)."""
