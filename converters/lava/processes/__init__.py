"""Lava processes, each with its model in one module; Lava executes every file in this folder."""
