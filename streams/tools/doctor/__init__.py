"""Looks at everything a pipeline stands on and names remedies; changes nothing."""
