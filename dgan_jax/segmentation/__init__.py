"""The simulated annotator: a network in place of the person who paints."""
