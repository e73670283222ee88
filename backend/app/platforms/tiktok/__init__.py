"""TikTok, by the Content Posting API and the Display API."""
