"""COCO's average precision, its confidence interval, and the kinds of errors behind it."""
