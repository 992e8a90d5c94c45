"""Many replicas as one service: what a router keeps of them, and what they tell it."""
