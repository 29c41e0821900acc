"""What a backfill's worker decides: the order of its work, when to look again, how long to try."""
