"""What a job does around its work: its log, its record, its limits, its child processes."""
