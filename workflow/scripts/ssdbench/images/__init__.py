"""Pixels, folders of images, the calibration images, the embedded sample."""
