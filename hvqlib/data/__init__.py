"""Folder -> samples -> arrays."""
