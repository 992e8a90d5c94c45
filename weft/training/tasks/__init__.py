"""Tasks whose answers can be checked: what the built-in models learn to do and are measured on."""
