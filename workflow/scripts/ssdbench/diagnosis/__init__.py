"""Why a cell differs from its reference."""
