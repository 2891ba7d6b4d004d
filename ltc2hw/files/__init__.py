"""Files of networks, traces and learning: whole or not at all, and read with suspicion."""
