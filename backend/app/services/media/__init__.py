"""Uploaded files: taking them in, judging them, mending them, letting go of them."""
