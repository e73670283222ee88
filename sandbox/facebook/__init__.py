"""Facebook Login and the Pages API, as described in the platform contract."""
