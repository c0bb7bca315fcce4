"""The YAML file: read with its lines (`file`), applied (`seed`), written (`export`), described
for editors (`schema`)."""
