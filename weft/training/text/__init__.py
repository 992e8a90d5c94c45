"""Text to train on, made from a seed: short stories that make sense, and chats in which simple things are asked.

Start at `documents.py`. Words are in `lexicon.py`, what happens in a story in `plots_*.py`, and what is asked in a chat
in `exchanges.py` and `facts.py`. What is held out of training is said beside each list. Tasks whose answers can be
checked are in `weft/training/tasks`.
"""
