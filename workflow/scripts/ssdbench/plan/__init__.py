"""From a configuration to the cells, paths and jobs of a run."""
