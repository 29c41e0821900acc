"""Benchmarks of the collector beside other ways to do the same, on the same files in the same run: `python -m bench`."""
