"""Instagram API with Instagram Login, as described in the platform contract."""
