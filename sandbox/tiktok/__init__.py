"""TikTok Login Kit, Content Posting API and Display API, as described in the platform contract."""
