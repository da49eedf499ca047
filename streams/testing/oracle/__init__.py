"""The naive recount: one event at a time, plain dictionaries, textbook formulas. Shares no fold with production.

It imports type definitions and row codecs of `streams.core` only, so that a mistake in a fold cannot repeat here.
"""
