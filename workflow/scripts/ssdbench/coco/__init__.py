"""COCO's file formats: annotations, image lists, detections."""
