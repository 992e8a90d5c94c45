"""Who asks, whether they may, and whether there is room for them."""
