"""Cost models: how long operations take, what they draw, what they send."""
