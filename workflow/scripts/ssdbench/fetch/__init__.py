"""Downloads, archives and packages, and the checksums that they must match."""
