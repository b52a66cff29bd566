"""SSD MobileNet on COCO, measured alike in every inference framework and precision.

Imports run one way: files and formats at the bottom, then pixels, graphs, runtimes and boxes, then
evaluation and timing, and the report on top. The package never sees Snakemake.
"""
