"""The version of Weft, which every prediction and every record names."""

__version__ = "0.1.0"
