"""Evaluations: how well models do on datasets, by what evaluators say of their answers."""
