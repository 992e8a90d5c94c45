"""How far predictions lie from recorded runs of real servers."""
