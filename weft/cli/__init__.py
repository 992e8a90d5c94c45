"""The command line: one file per verb, found through the table in `weft.cli.main`."""
