"""What all protocols for output share: fields, prompts, sampling, one route."""
