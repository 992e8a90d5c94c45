"""Whether the server gets on with its work, and what it measures."""
