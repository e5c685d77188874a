"""Learn from labelled requests: a head on top of the frozen encoder."""
