"""The read side: a copy of the tables, tailed from Kafka, behind HTTP. It never writes."""
