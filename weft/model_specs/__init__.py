"""Models as data: what a checkpoint's config.json says, without torch and without weights."""
