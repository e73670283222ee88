"""What happens is told onwards: notifications and mail, webhooks, live streams."""
