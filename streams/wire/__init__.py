"""Kafka's record batches: fetched as columns, and the kernels that read and write them. Knows nothing of ours."""
