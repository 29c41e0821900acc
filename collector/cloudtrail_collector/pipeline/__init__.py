"""The running parts: threads that are written against `ports` only."""
