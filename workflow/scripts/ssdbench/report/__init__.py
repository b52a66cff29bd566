"""The report: summary tables, published rows, pictures and the one-file page."""
