"""Buying plans: checkout and portal, what the payment provider reports, and what time alone changes."""
