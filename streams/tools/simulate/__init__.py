"""A made-up world of users and videos, for load, tests and demonstrations. Pure: nothing here talks to Kafka."""
