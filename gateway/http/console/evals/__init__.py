"""The Evaluations tab: what is evaluated, what came of it, and how that was before."""

from gateway.http.console.evals.pages import PAGES

__all__ = ["PAGES"]
