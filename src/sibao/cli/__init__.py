"""Floor 8: the command line. Parses, calls one function, shows."""
