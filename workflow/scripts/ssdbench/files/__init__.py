"""Files that appear whole or not at all: writing, reading, hashing, schemas, disk space."""
