"""Evidence of decisions: what is written down, how it is chained and signed, and how a bundle is verified."""
