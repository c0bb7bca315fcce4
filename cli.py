"""Runs the `gateway` command from a checkout: `python cli.py serve`."""

from gateway.commands import main

if __name__ == "__main__":
    main()
