"""Pictures for the documentation: dashboards over a real run, and the benchmarks' tables as plots."""
