"""Where event records go: one kind a file."""
