"""The version of the embedded sample, apart from the code that composes it, which imports more than planning needs."""

# Part of every int8 artifact's name, so an artifact is never older than its calibration images. Change it whenever
# compose() writes other pixels or other labels; tests/unit/images/test_sample.py notices. Up to 8 characters, e.g. v2.
# The first version is the hash that stood here before there were versions: artifacts of that time keep their names.
SAMPLE_VERSION = "c8fd23d3"
