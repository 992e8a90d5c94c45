"""Text in and out of token ids: tokenizers, chat templates, detokenising as tokens arrive, stop strings.

Start at `loading.py` (which tokenizer a model has), `output_text.py` (tokens in, text that may be streamed out)
and `chat_template.py` (messages to a prompt). No torch here.
"""
