"""Thin handlers: read the request, ask the rules, write the answer."""
