"""`python -m gateway`."""

from gateway.commands import main

main()
