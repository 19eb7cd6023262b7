"""Training: the one loop, and what it leaves in its folder."""
