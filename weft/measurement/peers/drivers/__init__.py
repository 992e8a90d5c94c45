"""One engine each, in a process and an environment of its own. They import nothing of Weft but with_weft.py."""
