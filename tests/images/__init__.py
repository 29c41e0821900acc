"""The container images without a container engine: their build stage replayed into a folder, and measured."""
