"""One builder per kind of child: a Workload becomes a manifest."""
