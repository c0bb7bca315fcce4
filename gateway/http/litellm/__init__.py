"""LiteLLM's management routes: its paths and JSON, on the gateway's own rules."""
