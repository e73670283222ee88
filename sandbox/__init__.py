"""A server that speaks the Instagram, Facebook Pages and TikTok wire protocols, for trying and testing PostPilot."""
