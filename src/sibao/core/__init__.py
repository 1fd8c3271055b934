"""Floor 0: types, errors, configuration, paths, progress, energy. Imports no torch."""
