"""Verdicts -> table and figures."""
