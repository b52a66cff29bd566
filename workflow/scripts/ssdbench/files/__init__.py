"""Reading and writing files, each of which appears whole or not at all; hashes, schemas, disk space."""
