"""Training: text that the repository makes itself, a tokenizer learned from it, and the trainer.

Start at `first_model.py` (the recipe of the built-in model) and `trainer.py` (the loop).
"""
