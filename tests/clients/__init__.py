"""Other people's clients, each in an environment of its own, at a gateway that runs."""
