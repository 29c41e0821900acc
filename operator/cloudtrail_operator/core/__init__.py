"""Decisions without I/O: desired manifests, what to change, and what to report."""
