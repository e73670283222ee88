"""Instagram, by the Instagram API with Instagram Login."""
