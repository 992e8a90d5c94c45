"""One card per paper: what it claims, measured here, and the verdict."""
