"""Lava processes, each with its model in a folder of its own.

To find the models of a process, Lava executes every module beside the process's own one, once for
each module there is, under names that dataclasses cannot stand. In a folder of its own a process
has no neighbours, and its model is found next to it.
"""
