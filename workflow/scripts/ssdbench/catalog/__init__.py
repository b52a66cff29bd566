"""What there is to choose from: models, datasets, frameworks, protocols, and which of them go together."""
