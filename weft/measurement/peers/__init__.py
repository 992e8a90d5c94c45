"""Other engines on this machine, on the same weights, measured in turns with Weft. Start at `turns.py`."""
