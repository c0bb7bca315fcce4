"""One endpoint in front of every LLM provider, with models and access keys of your own."""

__version__ = "0.1.0"
