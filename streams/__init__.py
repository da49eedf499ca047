"""Interaction Streams: views, likes and shares in; interest vectors and trend counters out."""

__version__ = "0.1.0"
