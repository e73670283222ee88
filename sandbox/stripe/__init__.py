"""Stripe's billing, as far as selling subscriptions needs it. Source: stripe.md, SDK 16.1, API 2026-10-28.endive."""
