"""Identifiers of our own rows."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a time-ordered UUID (version 7), so that new rows land side by side in every index."""
    return uuid7()
