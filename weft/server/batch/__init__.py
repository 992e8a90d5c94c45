"""Files of requests, answered without a socket."""
