"""Runs a model over a list of images and writes its detections."""
