"""What sinks send and are told, one kind a file; no I/O."""
