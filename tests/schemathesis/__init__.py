"""schemathesis against a running gateway, by the gateway's own OpenAPI document: scripts/test-api.

It runs in an environment of its own: requirements.txt is made of requirements.in by scripts/lock.
"""
