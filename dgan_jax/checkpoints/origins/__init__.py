"""Which code a checkpoint comes from, and how that code names its arrays."""
