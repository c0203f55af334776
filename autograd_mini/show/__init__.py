"""Graphs and steps as text, pictures and pages."""
