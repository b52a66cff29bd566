"""From a published checkpoint to a checked artifact of one framework and precision."""
