"""Buying a plan: what a payment provider must be able to do, and Stripe, which does it."""
