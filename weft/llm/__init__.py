"""The Python API: a model, prompts in, text out."""
