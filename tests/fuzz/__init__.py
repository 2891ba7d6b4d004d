"""A fuzzer of everything that reads files: damaged ones are refused by name, the rest is right."""
