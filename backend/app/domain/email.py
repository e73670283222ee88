"""E-mail addresses."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

ADDRESS_MAX = 320


def is_email(text: str) -> bool:
    """Whether a text is an address that letters can be sent to; no server is asked."""
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return len(text) <= ADDRESS_MAX
