"""Fetches files, archives and packages, and checks their checksums."""
