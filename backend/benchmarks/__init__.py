"""Measurements: each prints its number beside the ceiling measured in the same run."""
