"""What a file from outside is. Everything here but `probe` runs in a child process of limited means."""
