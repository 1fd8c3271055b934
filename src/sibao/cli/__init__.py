"""The command line: parse, call one function of ``workflows``, show."""
