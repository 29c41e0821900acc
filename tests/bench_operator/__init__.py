"""Benchmarks of the operator with many sources, on a control plane of their own: `python -m bench_operator`."""
