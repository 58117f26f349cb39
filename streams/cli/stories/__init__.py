"""Stories of the conformance format in the running pipeline: catalogue and commands by the services, usage by Kafka.

What comes out is read where an outsider reads it, in the views of `report`.
"""
