"""Training: text that the repository makes itself, a tokenizer learned from it, and the trainer.

Start at `recipe.py` (what a run makes), `run.py` (a whole run) and `trainer.py` (a step). Users read docs/training.md.
"""
