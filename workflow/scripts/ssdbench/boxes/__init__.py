"""From network output to detections: anchors, box coordinates, decoding, suppression."""
