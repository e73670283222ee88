"""What people may ask of whoever keeps their data: all of it, and that it is gone."""
