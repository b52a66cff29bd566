"""Average precision as COCO defines it, its confidence interval, and the kinds of error behind it."""
