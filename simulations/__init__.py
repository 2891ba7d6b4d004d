"""Engines that turn networks and samples into traces."""
