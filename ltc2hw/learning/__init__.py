"""Local learning rules as data: their words, constants, bounds and states."""
