"""The HTTP server: protocols of clients in front of one `LanguageModel`."""
