"""How good an interpreter's labels are, by a simulated annotator."""
