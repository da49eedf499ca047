"""Recompute everything that is derived from the source topics."""
