"""Gather, decide, act, report: one source at a time, written against ports."""
