"""From a published model to one file for each framework and precision, checked against its source."""
