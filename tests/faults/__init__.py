"""What providers do wrong, each as its caller and the ledger see it."""
