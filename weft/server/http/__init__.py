"""HTTP on a socket: heads, bodies, events, JSON, patience."""
