"""What to take: what a model needs and gives on this machine."""
