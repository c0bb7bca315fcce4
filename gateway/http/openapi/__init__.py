"""The gateway's own OpenAPI document, made from the routes of the app and what is said of them.

A route that nothing is said of cannot be described, and what is said without a route is not in the
document: tests see to it that there is neither. Bodies are described by the types that check them.
"""

from gateway.http.openapi.serve import Document

__all__ = ["Document"]
