"""Faust with record batches and one Kafka transaction per unit of work. Knows nothing of views or videos."""
