"""One replica's engine, sans-IO: sequences, state pools, scheduler, step loop.

Start at `engine.py` (what can be asked of it) and `scheduler.py` (what runs next). `docs/engine.md` tells
how a request flows.
"""
