"""What a run found, written for people."""
