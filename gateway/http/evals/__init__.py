"""Managing and running evaluations: `/api/v1/gateway/evals`."""
