"""How a call reaches a provider."""
