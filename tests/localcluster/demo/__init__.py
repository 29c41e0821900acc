"""The demo: the whole path on one machine, from `kubectl apply` to delivered events, with a count at the end."""
