"""Facebook Pages, by the Graph API."""
