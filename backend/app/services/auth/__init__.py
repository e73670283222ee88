"""Signing in, and everything that guards it."""
