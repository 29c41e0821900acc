"""The outside world: one client a file; its errors become ours here."""
