"""Model families, one file each, written in the operations of `weft.ops`."""
