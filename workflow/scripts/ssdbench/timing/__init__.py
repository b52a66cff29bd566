"""How fast each cell is."""
