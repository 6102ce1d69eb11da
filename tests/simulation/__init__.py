"""The service against a Kafka of lists and dictionaries: schedules of crashes and freezes from seeds."""
