"""Pictures for people: sheets of samples, overlays, charts."""
