"""Measures the whole job on this machine: events per CPU-second, bytes, memory, and what each step costs."""
