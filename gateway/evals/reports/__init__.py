"""What a run came to, as files: HTML for people, JUnit XML for CI, JSON and CSV for the rest."""
