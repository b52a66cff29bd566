"""SSD MobileNet on COCO, measured alike in every inference framework and precision.

Imports run one way: files and formats at the bottom, then pixels, runtimes, boxes, graphs (which run what they
converted, to check it), then evaluation and timing, and the report on top. The package never sees Snakemake.
"""
