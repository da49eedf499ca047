"""Faults by a seeded schedule against real workers and a real Kafka, then the audit."""
