"""Image -> frozen features, kept on disk."""
