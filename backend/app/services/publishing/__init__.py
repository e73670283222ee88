"""The engine that gets posts out."""
